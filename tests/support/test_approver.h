// An approver of a test's own.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/signer.h"
#include "grant/algorithm.h"
#include "grant/approvers.h"

namespace mayfly::test {

/// A private key that signs whatever a test wants, and what a broker knows of it.
class TestApprover {
 public:
  /// Makes a key.
  explicit TestApprover(grant::Algorithm algorithm, std::string key_id = "");
  /// @param pem  A private key.
  TestApprover(const std::string& pem, std::string key_id);

  [[nodiscard]] const std::string& pem() const noexcept { return pem_; }
  [[nodiscard]] std::string public_pem() const;
  [[nodiscard]] const PublicKey& public_key() const noexcept { return signer_->public_key(); }
  [[nodiscard]] Signer& signer() const noexcept { return *signer_; }
  /// "ES256".
  [[nodiscard]] std::string algorithm() const;
  /// The key as a file of approvers has it.
  [[nodiscard]] std::string jwk() const;
  [[nodiscard]] grant::Approver approver() const;

  /// A signature over any text, in the key's way.
  [[nodiscard]] Bytes sign(std::string_view text) const;
  /// A JWS with any header and any payload.
  [[nodiscard]] std::string jws(std::string_view header, std::string_view payload) const;
  /// A JWS with the header of a grant, and any payload.
  [[nodiscard]] std::string token(std::string_view payload) const;

 private:
  std::string pem_;
  std::string key_id_;
  std::unique_ptr<Signer> signer_;
};

/// A JWK Set of these keys.
[[nodiscard]] std::string jwk_set(const std::vector<std::string>& keys);

/// A text in base64url.
[[nodiscard]] std::string encoded(std::string_view text);

}  // namespace mayfly::test
