#include "tools/token_session.h"

#include <array>

namespace mayfly::tools {

TokenSession::TokenSession(const pkcs11::VendorModule& module, CK_SLOT_ID slot, CK_FLAGS flags)
    : functions_(module.functions()) {
  pkcs11::check(
      functions_->C_OpenSession(slot, flags | CKF_SERIAL_SESSION, nullptr, nullptr, &handle_),
      "opening a session on the token");
}

TokenSession::~TokenSession() {
  if (logged_in_) functions_->C_Logout(handle_);
  functions_->C_CloseSession(handle_);
}

void TokenSession::log_in(CK_USER_TYPE user, SecretBuffer& pin) {
  pkcs11::check(functions_->C_Login(handle_, user, pin.span().data(), pin.size()),
                "the login to the token");
  logged_in_ = true;
}

void TokenSession::set_user_pin(SecretBuffer& pin) {
  pkcs11::check(functions_->C_InitPIN(handle_, pin.span().data(), pin.size()),
                "setting the token's user PIN");
}

std::size_t TokenSession::count_session_objects(CK_OBJECT_CLASS object_class) {
  CK_BBOOL on_token = CK_FALSE;
  std::array<CK_ATTRIBUTE, 2> wanted = {
      {{CKA_CLASS, &object_class, sizeof object_class}, {CKA_TOKEN, &on_token, sizeof on_token}}};
  pkcs11::check(functions_->C_FindObjectsInit(handle_, wanted.data(), wanted.size()),
                "looking for session objects");
  std::array<CK_OBJECT_HANDLE, 64> found{};
  std::size_t count = 0;
  CK_ULONG got = 0;
  CK_RV rv = CKR_OK;
  do {
    rv = functions_->C_FindObjects(handle_, found.data(), found.size(), &got);
    if (rv == CKR_OK) count += got;
  } while (rv == CKR_OK && got > 0);
  functions_->C_FindObjectsFinal(handle_);
  pkcs11::check(rv, "looking for session objects");
  return count;
}

}  // namespace mayfly::tools
