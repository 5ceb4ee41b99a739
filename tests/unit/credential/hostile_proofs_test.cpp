// Proofs that must not be believed, and why not.
#include <gtest/gtest.h>

#include "unit/credential/sample.h"

namespace mayfly::test {
namespace {

using namespace credential;

nlohmann::json dpop_claims() {
  return {{"jti", "1"}, {"htm", "GET"}, {"htu", kTarget}, {"iat", kNow}};
}

nlohmann::json dpop_header(const TestSigner& signer) {
  return {{"alg", "ES256"}, {"typ", "dpop+jwt"}, {"jwk", to_jwk_members(signer.public_key())}};
}

std::string dpop_verdict(const std::string& text, const ProofExpectations& expected) {
  MemoryReplayCache seen;
  return outcome([&] { verify_dpop(text, sample_verified(), expected, seen); });
}

std::string dpop_with(const nlohmann::json& patch) {
  nlohmann::json claims = dpop_claims();
  claims.merge_patch(patch);
  return dpop_verdict(agent().jws(dpop_header(agent()).dump(), claims.dump()), sample_request());
}

std::string dpop_with_header(const nlohmann::json& patch) {
  nlohmann::json header = dpop_header(agent());
  header.merge_patch(patch);
  return dpop_verdict(agent().jws(header.dump(), dpop_claims().dump()), sample_request());
}

std::string dpop_expecting(const std::function<void(ProofExpectations&)>& change,
                           const nlohmann::json& patch = {}) {
  nlohmann::json claims = dpop_claims();
  if (!patch.is_null()) claims.merge_patch(patch);
  ProofExpectations expected = sample_request();
  change(expected);
  return dpop_verdict(agent().jws(dpop_header(agent()).dump(), claims.dump()), expected);
}

TEST(HostileDpop, TheSampleItselfIsAccepted) { EXPECT_EQ(dpop_with({{"other", 1}}), "accepted"); }

TEST(HostileDpop, TheKeyIsTheCredentials) {
  const std::string own = stranger().jws(dpop_header(stranger()).dump(), dpop_claims().dump());
  EXPECT_EQ(dpop_verdict(own, sample_request()), "proof other-key");
  // The agent's key in the header, the stranger's signature; and the other way.
  const std::string lent = stranger().jws(dpop_header(agent()).dump(), dpop_claims().dump());
  EXPECT_EQ(dpop_verdict(lent, sample_request()), "proof bad-signature");
  const std::string swapped = agent().jws(dpop_header(stranger()).dump(), dpop_claims().dump());
  EXPECT_EQ(dpop_verdict(swapped, sample_request()), "proof bad-signature");
}

TEST(HostileDpop, TheHeaderIsThatOfAProof) {
  EXPECT_EQ(dpop_with_header({{"jwk", nullptr}}), "proof header");
  EXPECT_EQ(dpop_with_header({{"jwk", {{"d", "AAAA"}}}}), "proof header");
  EXPECT_EQ(dpop_with_header({{"jwk", {{"kid", "AAAA"}}}}), "proof header");
  EXPECT_EQ(dpop_with_header({{"jwk", {{"kty", "oct"}, {"k", "AAAA"}}}}), "proof header");
  EXPECT_EQ(dpop_with_header({{"jku", "https://evil.example"}}), "proof key-in-header");
  EXPECT_EQ(dpop_with_header({{"crit", {"exp"}}}), "proof critical");
  EXPECT_EQ(dpop_with_header({{"b64", false}}), "proof header");
  EXPECT_EQ(dpop_with_header({{"typ", "JWT"}}), "proof type");
  for (const char* algorithm : {"none", "HS256", "RS256", "ES384", "EdDSA"}) {
    EXPECT_EQ(dpop_with_header({{"alg", algorithm}}), "proof algorithm") << algorithm;
  }
  EXPECT_EQ(dpop_verdict(std::string(kMaxProofSize + 1, 'A'), sample_request()), "proof too-long");
}

TEST(HostileDpop, TheClaimsAreThereAndAreTheRequests) {
  for (const char* name : {"jti", "htm", "htu", "iat"}) {
    EXPECT_EQ(dpop_with({{name, nullptr}}), "proof missing-claim") << name;
  }
  EXPECT_EQ(dpop_with({{"jti", ""}}), "proof bad-claim");
  EXPECT_EQ(dpop_with({{"iat", "now"}}), "proof bad-claim");
  EXPECT_EQ(dpop_with({{"iat", kNow + 31}}), "proof issued-in-future");
  EXPECT_EQ(dpop_with({{"iat", kNow + 30}}), "accepted");
  EXPECT_EQ(dpop_with({{"iat", kNow - 59}}), "accepted");
  EXPECT_EQ(dpop_with({{"iat", kNow - 60}}), "proof too-old");
  EXPECT_EQ(dpop_with({{"exp", kNow}}), "proof expired");
  EXPECT_EQ(dpop_with({{"htm", "POST"}}), "proof wrong-method");
  EXPECT_EQ(dpop_with({{"htm", "get"}}), "proof wrong-method");
  for (const char* target :
       {"http://api.example.org/orders", "https://api.example.org/orders/1",
        "https://api.example.org.evil.example/orders", "https://api.example.org:8443/orders",
        "https://api.example.org@evil.example/orders", "/orders"}) {
    EXPECT_EQ(dpop_with({{"htu", target}}), "proof wrong-target") << target;
  }
  EXPECT_EQ(dpop_with({{"htu", "HTTPS://API.example.org:443/%6frders?page=2"}}), "accepted");
}

TEST(HostileDpop, TheAccessTokenAndTheNonceAreThoseOfTheRequest) {
  const auto token = [](ProofExpectations& e) { e.access_token = "token"; };
  EXPECT_EQ(dpop_expecting(token), "proof wrong-token");
  EXPECT_EQ(dpop_expecting(token, {{"ath", token_hash("other")}}), "proof wrong-token");
  EXPECT_EQ(dpop_expecting(token, {{"ath", token_hash("token")}}), "accepted");
  EXPECT_EQ(dpop_with({{"ath", token_hash("token")}}), "proof wrong-token");
  const auto nonce = [](ProofExpectations& e) { e.nonce = "n"; };
  EXPECT_EQ(dpop_expecting(nonce), "proof wrong-nonce");
  EXPECT_EQ(dpop_expecting(nonce, {{"nonce", "m"}}), "proof wrong-nonce");
  EXPECT_EQ(dpop_expecting(nonce, {{"nonce", "n"}}), "accepted");
  EXPECT_EQ(dpop_with({{"nonce", "n"}}), "proof wrong-nonce");
}

TEST(HostileDpop, NoLetterOfItCanBeAnother) {
  const std::string good =
      make_dpop({"GET", kTarget, "", ""}, {kNow, kNow + 600}, agent().signer());
  EXPECT_EQ(dpop_verdict(good, sample_request()), "accepted");
  for (std::size_t place = 0; place < good.size(); ++place) {
    std::string text = good;
    text[place] = text[place] == 'A' ? 'B' : 'A';
    EXPECT_NE(dpop_verdict(text, sample_request()), "accepted") << place;
  }
}

class HostileWpt : public testing::Test {
 protected:
  [[nodiscard]] std::string verdict(
      const nlohmann::json& patch,
      const std::function<void(ProofExpectations&)>& change = [](ProofExpectations&) {},
      const TestSigner& signer = agent(), const std::string& algorithm = "ES256") {
    nlohmann::json claims = {
        {"aud", kTarget}, {"jti", "1"}, {"exp", kNow + 60}, {"wth", token_hash(wit_)}};
    claims.merge_patch(patch);
    ProofExpectations expected = sample_request();
    change(expected);
    MemoryReplayCache seen;
    const std::string text = signer.jws(header_of(algorithm, "wpt+jwt"), claims.dump());
    const auto credential = verify_wit(wit_, issuer_keys(), sample_expectations());
    return outcome([&] { verify_wpt(text, wit_, credential, expected, seen); });
  }

  const std::string wit_ = sample_wit_text();
};

TEST_F(HostileWpt, EachClaimIsLookedAt) {
  const nlohmann::json same = nlohmann::json::object();
  EXPECT_EQ(verdict(same), "accepted");
  for (const char* name : {"aud", "jti", "exp", "wth"}) {
    EXPECT_EQ(verdict({{name, nullptr}}), "proof missing-claim") << name;
  }
  EXPECT_EQ(verdict({{"exp", kNow}}), "proof expired");
  EXPECT_EQ(verdict({{"exp", kNow + 90}}), "accepted");
  EXPECT_EQ(verdict({{"exp", kNow + 91}}), "proof valid-too-long");
  EXPECT_EQ(verdict({{"iat", kNow + 31}}), "proof issued-in-future");
  EXPECT_EQ(verdict({{"aud", "https://other.example/orders"}}), "proof wrong-audience");
  EXPECT_EQ(verdict({{"aud", {kTarget}}}), "proof bad-claim");
  EXPECT_EQ(verdict({{"wth", token_hash("other")}}), "proof wrong-credential");
  EXPECT_EQ(verdict({{"ath", token_hash("token")}}), "proof wrong-token");
  EXPECT_EQ(verdict({{"oth", {{"cookie", "x"}}}}), "proof bad-claim");
  EXPECT_EQ(verdict({{"tth", "x"}}), "proof bad-claim");
  EXPECT_EQ(verdict(same, [](auto& e) { e.audience = "orders"; }), "proof wrong-audience");
  EXPECT_EQ(verdict({{"aud", "orders"}}, [](auto& e) { e.audience = "orders"; }), "accepted");
  EXPECT_EQ(verdict(same, [](auto& e) { e.access_token = "token"; }), "proof wrong-token");
}

TEST_F(HostileWpt, TheKeyAndItsAlgorithmAreTheIdentityTokens) {
  const nlohmann::json same = nlohmann::json::object();
  const auto nothing = [](ProofExpectations&) {};
  EXPECT_EQ(verdict(same, nothing, stranger()), "proof bad-signature");
  EXPECT_EQ(verdict(same, nothing, issuer()), "proof bad-signature");
  for (const char* algorithm : {"none", "HS256", "ES384", "EdDSA"}) {
    EXPECT_EQ(verdict(same, nothing, agent(), algorithm), "proof algorithm") << algorithm;
  }
}

}  // namespace
}  // namespace mayfly::test
