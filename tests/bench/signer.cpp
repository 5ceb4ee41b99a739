#include "bench/signer.h"

#include <array>
#include <dlfcn.h>
#include <stdexcept>
#include <vector>

#include "support/raw_module.h"

namespace mayfly::bench {
namespace {

using test::expect_ok;

CK_SESSION_HANDLE open_session(const Target& target) {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  expect_ok(target.functions->C_OpenSession(target.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                            nullptr, nullptr, &session),
            "C_OpenSession");
  return session;
}

CK_OBJECT_HANDLE generate(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session) {
  CK_BBOOL yes = CK_TRUE;
  CK_BBOOL no = CK_FALSE;
  std::array<CK_BYTE, 10> curve = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  std::array<CK_ATTRIBUTE, 3> public_template = {{{CKA_TOKEN, &no, sizeof no},
                                                  {CKA_VERIFY, &yes, sizeof yes},
                                                  {CKA_EC_PARAMS, curve.data(), curve.size()}}};
  std::array<CK_ATTRIBUTE, 5> private_template = {{{CKA_TOKEN, &no, sizeof no},
                                                   {CKA_PRIVATE, &yes, sizeof yes},
                                                   {CKA_SENSITIVE, &yes, sizeof yes},
                                                   {CKA_EXTRACTABLE, &no, sizeof no},
                                                   {CKA_SIGN, &yes, sizeof yes}}};
  CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  expect_ok(functions->C_GenerateKeyPair(session, &mechanism, public_template.data(),
                                         public_template.size(), private_template.data(),
                                         private_template.size(), &public_key, &private_key),
            "C_GenerateKeyPair");
  return private_key;
}

void sign_once(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  CK_MECHANISM mechanism = {CKM_ECDSA, nullptr, 0};
  std::array<CK_BYTE, 32> digest = {1, 2, 3};
  std::array<CK_BYTE, 64> signature;
  CK_ULONG size = signature.size();
  expect_ok(functions->C_SignInit(session, &mechanism, key), "C_SignInit");
  expect_ok(functions->C_Sign(session, digest.data(), digest.size(), signature.data(), &size),
            "C_Sign");
}

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

Signer::Signer(const Target& target)
    : functions_(target.functions),
      session_(open_session(target)),
      private_key_(generate(functions_, session_)) {}

Signer::~Signer() { functions_->C_CloseSession(session_); }

void Signer::sign() { sign_once(functions_, session_, private_key_); }

void cycle(const Target& target) {
  const CK_SESSION_HANDLE session = open_session(target);
  sign_once(target.functions, session, generate(target.functions, session));
  expect_ok(target.functions->C_CloseSession(session), "C_CloseSession");
}

}  // namespace mayfly::bench
