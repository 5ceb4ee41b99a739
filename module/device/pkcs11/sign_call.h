// One C_SignInit and C_Sign, with everything they need.
#pragma once

#include <array>

#include "device/device.h"
#include "device/pkcs11/mechanism_map.h"

namespace mayfly::pkcs11 {

/// A signature request turned into what C_SignInit and C_Sign take. Lives on the stack, allocates
/// nothing; points into the request, which must outlive it.
class SignCall {
 public:
  /// @param key  The public half of the key that signs.
  /// @throws Error CKR_MECHANISM_INVALID when the device can't sign so, CKR_DATA_LEN_RANGE when the
  ///         input is no digest of the scheme's hash.
  SignCall(const MechanismMap& mechanisms, const KeySpec& key, const SignRequest& request);
  SignCall(const SignCall&) = delete;
  SignCall& operator=(const SignCall&) = delete;

  /// Runs it in a session that nobody else uses meanwhile.
  /// @param size  Room in out, afterwards the bytes written.
  /// @return what the device answered first that was not CKR_OK.
  [[nodiscard]] CK_RV run(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session,
                          CK_OBJECT_HANDLE key, ByteSpan out, CK_ULONG& size);

 private:
  static constexpr std::size_t kMaxDigestInfo = 19 + 64;  // SHA-512

  void add_digest_info(Hash hash);

  CK_MECHANISM mechanism_{};
  CK_RSA_PKCS_PSS_PARAMS pss_{};
  std::array<std::uint8_t, kMaxDigestInfo> digest_info_{};
  ByteView input_;
};

/// Ends an operation that somebody's failed call left behind in a session, and drops its result.
void cancel_signing(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session) noexcept;

}  // namespace mayfly::pkcs11
