// What the device's answers say about the life of sessions and keys.
#pragma once

#include "base/pkcs11.h"

namespace mayfly::pkcs11 {

/// The session does not exist any more. The session objects of a session die with it (PKCS#11 3.0,
/// 5.6.2), and so they do when the library is finalised.
[[nodiscard]] constexpr bool says_session_dead(CK_RV rv) noexcept {
  return rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED ||
         rv == CKR_CRYPTOKI_NOT_INITIALIZED;
}

/// The device can't be reached. A key in it can't be used, but it may still be there: a network
/// device keeps a lost client's sessions for a while.
[[nodiscard]] constexpr bool says_device_away(CK_RV rv) noexcept {
  return rv == CKR_DEVICE_REMOVED || rv == CKR_TOKEN_NOT_PRESENT || rv == CKR_TOKEN_NOT_RECOGNIZED;
}

/// The key does not exist any more, though its session may.
[[nodiscard]] constexpr bool says_key_dead(CK_RV rv) noexcept {
  return rv == CKR_OBJECT_HANDLE_INVALID || rv == CKR_KEY_HANDLE_INVALID;
}

/// The key can't be used from now on. A lost login counts: logging out destroys the private session
/// objects of all sessions (PKCS#11 3.0, 5.6.9).
[[nodiscard]] constexpr bool says_key_lost(CK_RV rv) noexcept {
  return says_session_dead(rv) || says_device_away(rv) || says_key_dead(rv) ||
         rv == CKR_USER_NOT_LOGGED_IN;
}

}  // namespace mayfly::pkcs11
