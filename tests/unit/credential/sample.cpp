#include "unit/credential/sample.h"

#include "base/base64url.h"

namespace mayfly::test {

using namespace credential;

const TestSigner& issuer() {
  static const TestSigner kIssuerKey(JwsAlgorithm::es256);
  return kIssuerKey;
}

const TestSigner& agent() {
  static const TestSigner kAgentKey(JwsAlgorithm::es256);
  return kAgentKey;
}

const TestSigner& stranger() {
  static const TestSigner kStrangerKey(JwsAlgorithm::es256);
  return kStrangerKey;
}

const std::vector<PublishedKey>& issuer_keys() {
  static const std::vector<PublishedKey> kKeys = {published(issuer().public_key(), "now")};
  return kKeys;
}

Wit sample_wit() {
  return {kIssuer,
          "spiffe://example.org/task/invoice",
          "wit-1",
          kNow - 60,
          kNow + 600,
          agent().public_key(),
          JwsAlgorithm::es256,
          "invoice",
          "0123456789abcdef",
          kNow + 600,
          StatusReference{kList, 7}};
}

std::string sample_wit_text() { return issue_wit(sample_wit(), "now", issuer().signer(), kNow); }

nlohmann::json sample_wit_claims() {
  const std::string text = sample_wit_text();
  const std::size_t first = text.find('.') + 1;
  const auto claims = parse_base64url(text.substr(first, text.rfind('.') - first)).value();
  return nlohmann::json::parse(as_text(claims));
}

std::string header_of(const std::string& algorithm, const std::string& type) {
  return nlohmann::json{{"alg", algorithm}, {"typ", type}}.dump();
}

Clock sample_clock() { return {kNow, std::chrono::seconds(30)}; }

CredentialExpectations sample_expectations() {
  return {sample_clock(), kIssuer, "spiffe://example.org/task/*", "invoice"};
}

VerifiedCredential sample_verified() {
  return verify_wit(sample_wit_text(), issuer_keys(), sample_expectations());
}

ProofExpectations sample_request() {
  ProofExpectations expected;
  expected.clock = sample_clock();
  expected.method = "GET";
  expected.target = kTarget;
  return expected;
}

std::string outcome(const std::function<void()>& what) {
  try {
    what();
    return "accepted";
  } catch (const Refused& refused) {
    return std::string(name_of(refused.part())) + " " + std::string(name_of(refused.reason()));
  } catch (const Error& error) {
    return std::string("error: ") + error.what();
  }
}

}  // namespace mayfly::test
