// The device's own login, which the client never sees.
#pragma once

#include <functional>
#include <mutex>

#include "base/secret.h"
#include "device/pkcs11/token_search.h"

namespace mayfly::pkcs11 {

/// Logs in to the device. A PIN that the device refused is never tried again, because devices lock
/// after a few wrong ones.
class Login {
 public:
  /// @param fetch_pin  Reads the PIN when it is needed; empty for a device without login.
  Login(CK_FUNCTION_LIST_PTR functions, const Token& token,
        std::function<SecretBuffer()> fetch_pin);

  /// Whether there is a PIN to log in with, or the token says that it wants one.
  [[nodiscard]] bool wanted() const noexcept {
    return fetch_pin_ != nullptr || (token_.info.flags & CKF_LOGIN_REQUIRED) != 0;
  }

  /// C_Login as the user; fine if another user of the library has done so before. Called again when
  /// the device has forgotten the login.
  /// @throws Error CKR_DEVICE_ERROR when the device refuses; not CKR_PIN_INCORRECT, since whoever
  ///         reads that would take it for the PIN that a client gave. And what fetch_pin throws.
  void log_in(CK_SESSION_HANDLE session);

  /// C_Logout, if it was this object that logged in, and unless that would destroy private session
  /// objects, which are then another's: of the host, or of another copy of this module.
  /// @param session  Of a login that has no objects of ours any more.
  void log_out(CK_SESSION_HANDLE session) noexcept;

 private:
  [[nodiscard]] std::string refusal(CK_RV rv) const;

  CK_FUNCTION_LIST_PTR functions_;
  Token token_;
  std::function<SecretBuffer()> fetch_pin_;

  std::mutex mutex_;
  bool ours_ = false;
  bool refused_ = false;
};

}  // namespace mayfly::pkcs11
