#include "base/jwk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mayfly::test {
namespace {

PublicKey read(const nlohmann::json& json) {
  JsonObject jwk(json, "jwk");
  return read_jwk_key(jwk);
}

std::string refusal(const nlohmann::json& json) {
  try {
    static_cast<void>(read(json));
    return "taken";
  } catch (const Error& error) {
    return error.what();
  }
}

// RFC 7638, 3.1
const nlohmann::json& rsa_jwk() {
  static const nlohmann::json kJwk = {
      {"kty", "RSA"},
      {"n",
       "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxu"
       "hDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN"
       "5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5"
       "hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBni"
       "Iqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"},
      {"e", "AQAB"},
      {"alg", "RS256"},
      {"kid", "2011-04-29"}};
  return kJwk;
}

// RFC 7515, A.3
const nlohmann::json& ec_jwk() {
  static const nlohmann::json kJwk = {{"kty", "EC"},
                                      {"crv", "P-256"},
                                      {"x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
                                      {"y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}};
  return kJwk;
}

TEST(Jwk, TheThumbprintOfRfc7638) {
  EXPECT_EQ(jwk_thumbprint(read(rsa_jwk())), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST(Jwk, TheThumbprintOfRfc8037) {
  EXPECT_EQ(jwk_thumbprint(read({{"kty", "OKP"},
                                 {"crv", "Ed25519"},
                                 {"x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}})),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

TEST(Jwk, KeysAreWrittenAsTheyWereRead) {
  EXPECT_EQ(to_jwk_members(read(ec_jwk())), ec_jwk());
  nlohmann::json members = rsa_jwk();
  members.erase("alg");
  members.erase("kid");
  EXPECT_EQ(to_jwk_members(read(rsa_jwk())), members);
}

TEST(Jwk, NothingElseIsTaken) {
  const auto changed = [](const nlohmann::json& jwk, const char* member, const char* value) {
    nlohmann::json other = jwk;
    other[member] = value;
    return other;
  };
  using testing::HasSubstr;
  for (const char* member : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    EXPECT_THAT(refusal(changed(ec_jwk(), member, "AAAA")), HasSubstr("private key"));
  }
  EXPECT_THAT(refusal(changed(ec_jwk(), "kty", "oct")), HasSubstr("kty"));
  EXPECT_THAT(refusal(changed(ec_jwk(), "crv", "P-384")), HasSubstr("x has a wrong length"));
  EXPECT_THAT(refusal(changed(ec_jwk(), "crv", "secp256k1")), HasSubstr("crv"));
  EXPECT_THAT(refusal(changed(ec_jwk(), "x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV")),
              HasSubstr("x is no base64url"));
  EXPECT_THAT(refusal(changed(ec_jwk(), "x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEQ")),
              HasSubstr("no point"));
  EXPECT_THAT(refusal(changed(rsa_jwk(), "e", "AAEAAQ")), HasSubstr("e begins with a zero"));
  EXPECT_THAT(refusal(changed(rsa_jwk(), "e", "AQ")), HasSubstr("none can have"));
  EXPECT_THAT(refusal(changed(rsa_jwk(), "n", "AQAB")), HasSubstr("none can have"));
  nlohmann::json without = ec_jwk();
  without.erase("y");
  EXPECT_THAT(refusal(without), HasSubstr("y is missing"));
}

TEST(Jwk, KeyIdsAreShortAndPrintable) {
  EXPECT_TRUE(is_key_id("ops"));
  EXPECT_TRUE(is_key_id(std::string(256, 'x')));
  for (const std::string& text : {std::string(), std::string(257, 'x'), std::string("a\nb"),
                                  std::string("a\0b", 3), std::string("\xff")}) {
    EXPECT_FALSE(is_key_id(text));
  }
}

}  // namespace
}  // namespace mayfly::test
