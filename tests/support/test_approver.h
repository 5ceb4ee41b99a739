// An approver of a test's own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "grant/algorithm.h"
#include "grant/approvers.h"
#include "support/test_signer.h"

namespace mayfly::test {

/// A private key that signs whatever a test wants, and what a broker knows of it.
class TestApprover : public TestSigner {
 public:
  /// Makes a key.
  explicit TestApprover(grant::Algorithm algorithm, std::string key_id = "")
      : TestSigner(algorithm), key_id_(std::move(key_id)) {}
  /// @param pem  A private key.
  TestApprover(const std::string& pem, std::string key_id)
      : TestSigner(pem), key_id_(std::move(key_id)) {}

  /// The key as a file of approvers has it.
  [[nodiscard]] std::string jwk() const;
  [[nodiscard]] grant::Approver approver() const;
  /// A JWS with the header of a grant, and any payload.
  [[nodiscard]] std::string token(std::string_view payload) const;

 private:
  std::string key_id_;
};

/// A JWK Set of these keys.
[[nodiscard]] std::string jwk_set(const std::vector<std::string>& keys);

}  // namespace mayfly::test
