#include "device/pkcs11/login.h"

#include <iterator>
#include <utility>

#include "base/error.h"
#include "device/pkcs11/answers.h"
#include "device/pkcs11/boolean_values.h"

namespace mayfly::pkcs11 {
namespace {

/// Whether the login holds private session objects; also if that can't be found out.
bool may_hold_private_objects(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session) noexcept {
  CK_ATTRIBUTE wanted[] = {{CKA_TOKEN, &no, sizeof no}, {CKA_PRIVATE, &yes, sizeof yes}};
  if (functions->C_FindObjectsInit(session, wanted, std::size(wanted)) != CKR_OK) return true;
  CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
  CK_ULONG count = 0;
  const CK_RV rv = functions->C_FindObjects(session, &found, 1, &count);
  functions->C_FindObjectsFinal(session);
  return rv != CKR_OK || count != 0;
}

/// Whether the device looked at the PIN and refused it, or may have.
bool is_verdict_on_pin(CK_RV rv) noexcept {
  switch (rv) {
    case CKR_DEVICE_ERROR:
    case CKR_DEVICE_MEMORY:
    case CKR_FUNCTION_CANCELED:
    case CKR_HOST_MEMORY:
    case CKR_SESSION_READ_ONLY_EXISTS:
    case CKR_USER_ANOTHER_ALREADY_LOGGED_IN:
    case CKR_USER_TOO_MANY_TYPES:
      return false;
    default:
      return !says_session_dead(rv) && !says_device_away(rv);
  }
}

}  // namespace

Login::Login(CK_FUNCTION_LIST_PTR functions, const Token& token,
             std::function<SecretBuffer()> fetch_pin)
    : functions_(functions), token_(token), fetch_pin_(std::move(fetch_pin)) {}

void Login::log_in(CK_SESSION_HANDLE session) {
  if (fetch_pin_ == nullptr) {
    throw Error(CKR_DEVICE_ERROR, "the device's token \"" + token_.label() +
                                      "\" wants a login; set device.pin-source");
  }
  const std::lock_guard lock(mutex_);
  if (refused_) {
    throw Error(CKR_DEVICE_ERROR, "the login to the device's token \"" + token_.label() +
                                      "\" was refused before and is not tried again; correct "
                                      "device.pin-source and start anew");
  }
  SecretBuffer pin = fetch_pin_();
  const CK_RV rv = functions_->C_Login(session, CKU_USER, pin.span().data(), pin.size());
  if (rv == CKR_OK) ours_ = true;
  if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) return;
  // Where the device did not come to look at the PIN, another try costs nothing.
  refused_ = is_verdict_on_pin(rv);
  throw Error(CKR_DEVICE_ERROR, refusal(rv));
}

std::string Login::refusal(CK_RV rv) const {
  const std::string token = "the device's token \"" + token_.label() + "\"";
  if (rv == CKR_USER_PIN_NOT_INITIALIZED) {
    return token + " has no user PIN yet; set one with the vendor's tool";
  }
  std::string text =
      "the login to " + token + " was refused: " + describe(rv) + "; check device.pin-source";
  CK_TOKEN_INFO info{};
  if (functions_->C_GetTokenInfo(token_.slot, &info) != CKR_OK) return text;
  if ((info.flags & CKF_USER_PIN_LOCKED) != 0) return text + "; the token says its PIN is locked";
  if ((info.flags & CKF_USER_PIN_FINAL_TRY) != 0) return text + "; the token says one try is left";
  if ((info.flags & CKF_USER_PIN_COUNT_LOW) != 0)
    return text + "; the token says few tries are left";
  return text;
}

void Login::log_out(CK_SESSION_HANDLE session) noexcept {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(ours_, false)) return;
  if (!may_hold_private_objects(functions_, session)) functions_->C_Logout(session);
}

}  // namespace mayfly::pkcs11
