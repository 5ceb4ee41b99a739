#include "support/raw_module.h"

#include <array>
#include <dlfcn.h>
#include <functional>
#include <stdexcept>
#include <vector>

namespace mayfly::test {
namespace {

CK_SLOT_ID find_slot(CK_FUNCTION_LIST_PTR functions,
                     const std::function<bool(const CK_TOKEN_INFO&)>& wanted) {
  CK_ULONG count = 0;
  expect_ok(functions->C_GetSlotList(CK_TRUE, nullptr, &count), "C_GetSlotList");
  std::vector<CK_SLOT_ID> slots(count);
  expect_ok(functions->C_GetSlotList(CK_TRUE, slots.data(), &count), "C_GetSlotList");
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info{};
    expect_ok(functions->C_GetTokenInfo(slot, &info), "C_GetTokenInfo");
    if (wanted(info)) return slot;
  }
  throw std::runtime_error("no such token");
}

}  // namespace

void expect_ok(CK_RV rv, const char* call) {
  if (rv == CKR_OK) return;
  throw std::runtime_error(std::string(call) + " answered " + std::to_string(rv));
}

RawModule::RawModule(const std::filesystem::path& path)
    : library_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (library_ == nullptr) throw std::runtime_error(dlerror());
  const auto get_list =
      reinterpret_cast<CK_C_GetFunctionList>(dlsym(library_, "C_GetFunctionList"));
  if (get_list == nullptr) throw std::runtime_error(path.string() + " is no PKCS#11 module");
  expect_ok(get_list(&functions_), "C_GetFunctionList");
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  const CK_RV rv = functions_->C_Initialize(&args);
  initialized_here_ = rv == CKR_OK;
  if (rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) expect_ok(rv, "C_Initialize");
}

RawModule::~RawModule() {
  if (initialized_here_) functions_->C_Finalize(nullptr);
  dlclose(library_);
}

CK_SLOT_ID RawModule::slot_of(const std::string& label) const {
  return find_slot(functions_, [&](const CK_TOKEN_INFO& info) {
    const std::string found(reinterpret_cast<const char*>(info.label), sizeof info.label);
    return (info.flags & CKF_TOKEN_INITIALIZED) != 0 &&
           found.substr(0, found.find_last_not_of(' ') + 1) == label;
  });
}

CK_SLOT_ID RawModule::free_slot() const {
  return find_slot(functions_, [](const CK_TOKEN_INFO& info) {
    return (info.flags & CKF_TOKEN_INITIALIZED) == 0;
  });
}

RawSession::RawSession(const RawModule& module, CK_SLOT_ID slot) : module_(module) {
  expect_ok(
      module_->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle_),
      "C_OpenSession");
}

RawSession::~RawSession() { module_->C_CloseSession(handle_); }

void sign(const RawModule& module, const RawSession& session, CK_OBJECT_HANDLE key) {
  CK_MECHANISM mechanism = {CKM_ECDSA, nullptr, 0};
  std::array<unsigned char, 32> digest{};
  std::array<unsigned char, 64> signature{};
  CK_ULONG size = signature.size();
  expect_ok(module->C_SignInit(session.handle(), &mechanism, key), "C_SignInit");
  expect_ok(module->C_Sign(session.handle(), digest.data(), digest.size(), signature.data(), &size),
            "C_Sign");
}

}  // namespace mayfly::test
