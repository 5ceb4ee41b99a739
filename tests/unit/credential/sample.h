// An issuer, an agent, and what they sign, for tests that change one thing of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "credential/verify/verify.h"
#include "support/test_signer.h"

namespace mayfly::test {

inline constexpr std::uint64_t kNow = 1'800'000'000;
inline constexpr char kIssuer[] = "https://issuer.example.org";
inline constexpr char kList[] = "https://issuer.example.org/status/1";
inline constexpr char kTarget[] = "https://api.example.org/orders";

/// The issuer's key and the agent's, the same for all tests of a program; and a stranger's.
[[nodiscard]] const TestSigner& issuer();
[[nodiscard]] const TestSigner& agent();
[[nodiscard]] const TestSigner& stranger();
[[nodiscard]] const std::vector<credential::PublishedKey>& issuer_keys();

/// The task's token: made a minute ago, ends with the task in ten minutes, place 7 of kList.
[[nodiscard]] credential::Wit sample_wit();
[[nodiscard]] std::string sample_wit_text();
/// Its claims, as JSON.
[[nodiscard]] nlohmann::json sample_wit_claims();
/// The header of a token of the issuer: {"alg":"ES256","typ":TYPE}.
[[nodiscard]] std::string header_of(const std::string& algorithm, const std::string& type);

[[nodiscard]] credential::Clock sample_clock();
[[nodiscard]] credential::CredentialExpectations sample_expectations();
[[nodiscard]] credential::VerifiedCredential sample_verified();
/// GET kTarget.
[[nodiscard]] credential::ProofExpectations sample_request();

/// "PART REASON" of the Refused that something throws, "accepted" if it throws nothing.
[[nodiscard]] std::string outcome(const std::function<void()>& what);

}  // namespace mayfly::test
