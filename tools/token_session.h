// A session on a token of the device, for setting it up and for looking at it.
#pragma once

#include "base/pkcs11.h"
#include "base/secret.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::tools {

/// An open session; logged out and closed at the end. Its functions throw Error with what the
/// device answered.
class TokenSession {
 public:
  /// @param flags  CKF_RW_SESSION or 0.
  TokenSession(const pkcs11::VendorModule& module, CK_SLOT_ID slot, CK_FLAGS flags);
  ~TokenSession();
  TokenSession(const TokenSession&) = delete;
  TokenSession& operator=(const TokenSession&) = delete;

  [[nodiscard]] CK_SESSION_HANDLE handle() const noexcept { return handle_; }

  /// One attempt.
  void log_in(CK_USER_TYPE user, SecretBuffer& pin);

  /// Sets the user's PIN; the security officer must be logged in.
  void set_user_pin(SecretBuffer& pin);

  /// How many session objects of a class there are. Of most devices: of this process.
  [[nodiscard]] std::size_t count_session_objects(CK_OBJECT_CLASS object_class);

 private:
  CK_FUNCTION_LIST_PTR functions_;
  CK_SESSION_HANDLE handle_ = CK_INVALID_HANDLE;
  bool logged_in_ = false;
};

}  // namespace mayfly::tools
