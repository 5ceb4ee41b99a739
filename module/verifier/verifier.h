// What a relying party trusts, and what it has seen.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "credential/verify/verify.h"

namespace mayfly::verifier {

/// The call makes no sense, and was not made.
class BadCall : public Error {
 public:
  explicit BadCall(const std::string& message) : Error(CKR_ARGUMENTS_BAD, message) {}
};

/// What a Verifier is made of.
struct Settings {
  std::vector<credential::PublishedKey> issuer_keys;
  std::string roots;  ///< PEM
  std::string issuer;
  std::string subject;
  /// The status list of a URI.
  /// @throws Error that there is none. Empty: the status is not looked at.
  std::function<std::string(const std::string& uri)> status_list;
  std::chrono::seconds max_stale{60};
  std::chrono::seconds skew{30};
  bool needs_proof = true;
  /// Null: each proof is taken, however often.
  std::unique_ptr<credential::ReplayCache> seen;
};

/// One request. What is empty is not there.
struct Request {
  std::string credential;
  std::string dpop;
  std::string wpt;
  credential::HttpProof http;  ///< its `input` is empty for none
  credential::ProofExpectations expected;
  std::string task_id;
};

/// Verifier models a relying party. Safe to use from several threads.
class Verifier {
 public:
  /// @throws BadCall for settings that would leave a check out, or trust nobody.
  explicit Verifier(Settings settings);

  /// @throws Refused what does not hold; BadCall; Error what can't be told.
  [[nodiscard]] credential::VerifiedCredential verify(const Request& request);

 private:
  [[nodiscard]] credential::VerifiedCredential verify_credential(const Request& request) const;
  void check_status(const credential::VerifiedCredential& verified,
                    const credential::Clock& clock) const;
  void verify_proof(const Request& request, const credential::VerifiedCredential& verified);

  const Settings settings_;
};

}  // namespace mayfly::verifier
