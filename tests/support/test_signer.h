// A private key of a test's own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/jws_algorithm.h"
#include "base/signer.h"

namespace mayfly::test {

/// A private key that signs whatever a test wants.
class TestSigner {
 public:
  /// Makes a key.
  explicit TestSigner(JwsAlgorithm algorithm);
  /// @param pem  A private key.
  explicit TestSigner(const std::string& pem);

  [[nodiscard]] const std::string& pem() const noexcept { return pem_; }
  [[nodiscard]] std::string public_pem() const;
  [[nodiscard]] const PublicKey& public_key() const noexcept { return signer_->public_key(); }
  [[nodiscard]] Signer& signer() const noexcept { return *signer_; }
  /// "ES256".
  [[nodiscard]] std::string algorithm() const;

  /// A signature over any text, in the key's way.
  [[nodiscard]] Bytes sign(std::string_view text) const;
  /// A JWS with any header and any payload.
  [[nodiscard]] std::string jws(std::string_view header, std::string_view payload) const;

 private:
  std::string pem_;
  std::unique_ptr<Signer> signer_;
};

/// A text in base64url.
[[nodiscard]] std::string encoded(std::string_view text);

}  // namespace mayfly::test
