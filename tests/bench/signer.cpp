#include "bench/signer.h"

#include <array>
#include <dlfcn.h>
#include <stdexcept>
#include <vector>

#include "support/raw_module.h"

namespace mayfly::bench {
namespace {

using test::expect_ok;

}  // namespace

CK_FUNCTION_LIST_PTR load(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  if (get == nullptr) throw std::runtime_error(path + " is no PKCS#11 module");
  CK_FUNCTION_LIST_PTR functions = nullptr;
  expect_ok(get(&functions), "C_GetFunctionList");
  return functions;
}

void initialize(CK_FUNCTION_LIST_PTR functions, const std::string& reserved) {
  CK_C_INITIALIZE_ARGS arguments{};
  std::string text = reserved;
  // NSS's name for the standard's pReserved.
  if (!text.empty()) arguments.LibraryParameters = reinterpret_cast<CK_CHAR_PTR*>(text.data());
  arguments.flags = CKF_OS_LOCKING_OK;
  const CK_RV rv = functions->C_Initialize(&arguments);
  if (rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) expect_ok(rv, "C_Initialize");
}

CK_SLOT_ID find_slot(CK_FUNCTION_LIST_PTR functions, const std::string& label) {
  CK_ULONG count = 0;
  expect_ok(functions->C_GetSlotList(CK_TRUE, nullptr, &count), "C_GetSlotList");
  std::vector<CK_SLOT_ID> slots(count);
  expect_ok(functions->C_GetSlotList(CK_TRUE, slots.data(), &count), "C_GetSlotList");
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info;
    expect_ok(functions->C_GetTokenInfo(slot, &info), "C_GetTokenInfo");
    const std::string padded(reinterpret_cast<const char*>(info.label), sizeof info.label);
    if (padded.substr(0, padded.find_last_not_of(' ') + 1) == label) return slot;
  }
  throw std::runtime_error("no token is called " + label);
}

Session::Session(const Target& target) : target_(target) {
  expect_ok(target.functions->C_OpenSession(target.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                            nullptr, nullptr, &handle_),
            "C_OpenSession");
  if (target.pin.empty()) return;
  std::string pin = target.pin;
  expect_ok(target.functions->C_Login(handle_, CKU_USER, reinterpret_cast<CK_BYTE*>(pin.data()),
                                      pin.size()),
            "C_Login");
}

Session::~Session() { target_.functions->C_CloseSession(handle_); }

CK_OBJECT_HANDLE Session::generate() {
  CK_BBOOL yes = CK_TRUE;
  CK_BBOOL no = CK_FALSE;
  CK_BBOOL stored = target_.stored_keys ? CK_TRUE : CK_FALSE;
  std::array<CK_BYTE, 10> curve = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  std::array<CK_ATTRIBUTE, 3> public_template = {{{CKA_TOKEN, &stored, sizeof stored},
                                                  {CKA_VERIFY, &yes, sizeof yes},
                                                  {CKA_EC_PARAMS, curve.data(), curve.size()}}};
  std::array<CK_ATTRIBUTE, 5> private_template = {{{CKA_TOKEN, &stored, sizeof stored},
                                                   {CKA_PRIVATE, &yes, sizeof yes},
                                                   {CKA_SENSITIVE, &yes, sizeof yes},
                                                   {CKA_EXTRACTABLE, &no, sizeof no},
                                                   {CKA_SIGN, &yes, sizeof yes}}};
  CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  expect_ok(target_.functions->C_GenerateKeyPair(
                handle_, &mechanism, public_template.data(), public_template.size(),
                private_template.data(), private_template.size(), &public_key, &private_key),
            "C_GenerateKeyPair");
  return private_key;
}

void Session::sign(CK_OBJECT_HANDLE key) {
  CK_MECHANISM mechanism = {CKM_ECDSA, nullptr, 0};
  std::array<CK_BYTE, 32> digest = {1, 2, 3};
  std::array<CK_BYTE, 64> signature;
  CK_ULONG size = signature.size();
  expect_ok(target_.functions->C_SignInit(handle_, &mechanism, key), "C_SignInit");
  expect_ok(
      target_.functions->C_Sign(handle_, digest.data(), digest.size(), signature.data(), &size),
      "C_Sign");
}

void cycle(const Target& target) {
  Session session(target);
  session.sign(session.generate());
}

}  // namespace mayfly::bench
