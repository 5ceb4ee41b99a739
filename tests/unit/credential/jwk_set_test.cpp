#include "credential/jose/jwk_set.h"

#include <gtest/gtest.h>

#include "unit/credential/sample.h"

namespace mayfly::test {
namespace {

using namespace credential;

// RFC 7517, A.1
constexpr char kRfcSet[] =
    R"({"keys":[
      {"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
       "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},
      {"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
       "e":"AQAB","alg":"RS256","kid":"2011-04-29"}]})";

std::string set_of(const std::string& keys) { return "{\"keys\":[" + keys + "]}"; }

std::string jwk_of(const TestSigner& signer, const std::string& change = "{}") {
  nlohmann::json jwk = to_jwk_members(signer.public_key());
  jwk.merge_patch(nlohmann::json::parse(change));
  return jwk.dump();
}

std::string reading(const std::string& set) {
  return outcome([&] { static_cast<void>(parse_key_set(set)); });
}

TEST(JwkSet, KeysForOtherThingsArePassedOver) {
  // The one is for encryption, the other for an algorithm that is not allowed.
  EXPECT_EQ(reading(kRfcSet), "key-set no-keys");
  const std::string good = jwk_of(issuer());
  for (const char* change :
       {R"({"use":"enc"})", R"({"alg":"ECDH-ES"})", R"({"alg":"RS256"})", R"({"kty":"oct"})",
        R"({"kty":"AKP"})", R"({"crv":"secp256k1"})", R"({"key_ops":["sign"]})"}) {
    const auto keys = parse_key_set(set_of(jwk_of(stranger(), change) + "," + good));
    ASSERT_EQ(keys.size(), 1U) << change;
    EXPECT_EQ(keys.front().thumbprint, jwk_thumbprint(issuer().public_key()));
  }
}

TEST(JwkSet, WhatIsWrittenWronglyRefusesTheWhole) {
  const std::string good = jwk_of(issuer());
  for (const std::string& set :
       {std::string("{}"), std::string("[]"), std::string(""), set_of(""), set_of("1"),
        set_of(good + "," + good), set_of(good + "," + jwk_of(stranger(), R"({"d":"AAAA"})")),
        set_of(good + "," + jwk_of(stranger(), R"({"x":"AAAA"})")),
        set_of(good + "," + jwk_of(stranger(), R"({"kid":1})")),
        set_of(good + "," + jwk_of(stranger(), R"({"alg":"ES384"})")),
        set_of(jwk_of(issuer(), R"({"kid":"a"})") + "," + jwk_of(stranger(), R"({"kid":"a"})")),
        set_of(
            good + "," +
            jwk_of(stranger(), "{\"kid\":\"" + jwk_thumbprint(issuer().public_key()) + "\"}"))}) {
    EXPECT_EQ(reading(set), "key-set no-keys") << set;
  }
}

TEST(JwkSet, KeysAreWrittenAsTheyAreRead) {
  std::vector<PublishedKey> keys;
  for (const JwsAlgorithm algorithm : kJwsAlgorithms) {
    keys.push_back(published(TestSigner(algorithm).public_key()));
  }
  const auto read = parse_key_set(key_set_json(keys));
  ASSERT_EQ(read.size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(read[i].thumbprint, keys[i].thumbprint);
    EXPECT_EQ(read[i].key_id, keys[i].thumbprint);
    EXPECT_EQ(read[i].algorithm, keys[i].algorithm);
  }
}

}  // namespace
}  // namespace mayfly::test
