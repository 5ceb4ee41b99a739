// Making grants.
#pragma once

#include <string>

#include "base/public_key.h"
#include "grant/grant.h"

namespace mayfly::grant {

/// An approver's private key, wherever it is.
class Signer {
 public:
  virtual ~Signer() = default;
  Signer() = default;
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  [[nodiscard]] virtual const PublicKey& public_key() const noexcept = 0;

  /// A signature over a message.
  /// @param scheme  scheme_of() the one algorithm that the key signs grants with.
  /// @return r‖s for ECDSA.
  /// @throws Error what the key's holder says.
  [[nodiscard]] virtual Bytes sign(const SignatureScheme& scheme, ByteView message) = 0;
};

/// Writes a grant and has it signed. What comes out was verified as a broker would do it, so that
/// neither a claim that verify() refuses nor a bad signature is ever given out.
/// @param key_id  The header's kid; empty takes the thumbprint of the key's JWK.
/// @param now_unix_s  A grant that has expired by then is not signed.
/// @throws Error CKR_ARGUMENTS_BAD for claims that can't be, CKR_KEY_TYPE_INCONSISTENT for a key
///         that can't sign grants, CKR_DEVICE_ERROR for a signature that is none; what
///         Signer::sign() throws.
[[nodiscard]] std::string issue(const Grant& grant, const std::string& key_id, Signer& signer,
                                std::uint64_t now_unix_s);

}  // namespace mayfly::grant
