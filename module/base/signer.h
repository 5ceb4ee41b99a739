// Whoever holds a private key and signs with it.
#pragma once

#include "base/public_key.h"

namespace mayfly {

/// A private key, wherever it is: in a PEM file, on a token of an HSM, in a task.
class Signer {
 public:
  virtual ~Signer() = default;
  Signer() = default;
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  [[nodiscard]] virtual const PublicKey& public_key() const noexcept = 0;

  /// A signature over a message, which is hashed first where the scheme has a hash.
  /// @param scheme  One of the key's type.
  /// @return r‖s for ECDSA.
  /// @throws Error what the key's holder says.
  [[nodiscard]] virtual Bytes sign(const SignatureScheme& scheme, ByteView message) = 0;
};

}  // namespace mayfly
