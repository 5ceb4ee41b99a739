#include "grant/approvers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/base64url.h"
#include "base/error.h"
#include "support/test_approver.h"

namespace mayfly::test {
namespace {

using grant::Algorithm;
using grant::parse_approvers;
using Json = nlohmann::json;

/// What is said against a set; "accepted" if nothing is.
std::string complaint(const std::string& set) {
  try {
    static_cast<void>(parse_approvers(set));
    return "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.rv(), CKR_DATA_INVALID);
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("\n")));
    return error.what();
  }
}

std::string complaint_with(const TestApprover& approver, const char* member, const Json& value) {
  Json jwk = Json::parse(approver.jwk());
  jwk[member] = value;
  return complaint(jwk_set({jwk.dump()}));
}

// RFC 7638, 3.1, and RFC 8037, A.3.
constexpr char kRsaOfTheRfc[] =
    R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuh)"
    R"(DR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR)"
    R"(0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh)"
    R"(6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB",)"
    R"("alg":"PS256","kid":"2011-04-29"})";
constexpr char kEdwardsOfTheRfc[] =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";

TEST(Approvers, ThumbprintsAreThoseOfTheRfcs) {
  const auto approvers = parse_approvers(jwk_set({kRsaOfTheRfc, kEdwardsOfTheRfc}));
  ASSERT_EQ(approvers.size(), 2U);
  EXPECT_EQ(approvers[0].thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  EXPECT_EQ(approvers[0].key_id, "2011-04-29");
  EXPECT_EQ(approvers[0].algorithm, Algorithm::ps256);
  EXPECT_EQ(approvers[1].thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  EXPECT_EQ(approvers[1].key_id, "");
}

TEST(Approvers, EachKindOfKeyIsReadAsItIsWritten) {
  for (const Algorithm algorithm :
       {Algorithm::es256, Algorithm::es384, Algorithm::eddsa, Algorithm::ps256}) {
    const TestApprover made(algorithm, "k");
    const grant::Approver read = made.approver();
    EXPECT_EQ(read.algorithm, algorithm);
    EXPECT_EQ(read.key.subject_public_key_info(), made.public_key().subject_public_key_info());
    EXPECT_EQ(grant::to_jwk(read.key, read.key_id), made.jwk());
    EXPECT_EQ(Json::parse(grant::to_jwk(read.key, ""))["kid"], read.thumbprint);
    EXPECT_EQ(complaint_with(made, "key_ops", {"verify"}), "accepted");
  }
}

TEST(Approvers, ASetThatIsNotGoodIsRefusedWhole) {
  const TestApprover ec(Algorithm::es256, "ec");
  const TestApprover other(Algorithm::es256, "other");
  const std::pair<std::string, const char*> sets[] = {
      {"", "no JSON"},
      {"[]", "no JSON object"},
      {"{}", "keys is missing"},
      {R"({"keys":[]})", "no list of 1 to 64"},
      {R"({"keys":{}})", "no list of 1 to 64"},
      {ec.jwk(), "keys is missing"},
      {R"({"keys":[1]})", "no JSON object"},
      {R"({"keys":[],"keys":[]})", "twice"},
      {R"({"more":1,)" + jwk_set({ec.jwk()}).substr(1), "not known here"},
      {jwk_set({ec.jwk(), "{}"}), "keys[1].kty is missing"},
      {jwk_set({ec.jwk(), ec.jwk()}), "keys[1] is there before"},
      {jwk_set({ec.jwk(), grant::to_jwk(other.public_key(), "ec")}), "another key's"},
      {jwk_set({ec.jwk(), grant::to_jwk(other.public_key(), ec.approver().thumbprint)}),
       "another key's"},
      {jwk_set({grant::to_jwk(other.public_key(), ec.approver().thumbprint), ec.jwk()}),
       "another key's"},
      {jwk_set({ec.jwk(), R"({"kty":"oct","k":"c2VjcmV0"})"}), "k belongs to a private key"},
      {std::string(grant::kMaxApproversSize + 1, ' '), "too large"},
  };
  for (const auto& [set, why] : sets) {
    EXPECT_THAT(complaint(set), testing::HasSubstr(why)) << set.substr(0, 200);
  }
  EXPECT_EQ(complaint(jwk_set({ec.jwk(), other.jwk()})), "accepted");
}

TEST(Approvers, AtMost64OfThem) {
  std::vector<std::string> keys;
  for (int i = 0; i < 65; ++i) keys.push_back(TestApprover(Algorithm::eddsa).jwk());
  EXPECT_THAT(complaint(jwk_set(keys)), testing::HasSubstr("no list of 1 to 64"));
  keys.pop_back();
  EXPECT_EQ(complaint(jwk_set(keys)), "accepted");
}

TEST(Approvers, AKeyOfP521IsRefused) {
  // RFC 7515, A.4
  EXPECT_THAT(complaint(jwk_set({R"({"kty":"EC","crv":"P-521",
      "x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
      "y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"
      })"})),
              testing::HasSubstr("neither P-256 nor P-384"));
}

TEST(Approvers, AKeyThatIsNotGoodIsRefused) {
  const TestApprover ec(Algorithm::es256, "ec");
  const TestApprover ed(Algorithm::eddsa, "ed");
  const TestApprover rsa(Algorithm::ps256, "rsa");
  struct Case {
    const TestApprover& key;
    const char* member;
    Json value;
    const char* why;
  };
  const std::string zero_first = "AP" + Json::parse(ec.jwk())["x"].get<std::string>();
  const Case cases[] = {
      {ec, "kty", "ec", "none of EC"},
      {ec, "kty", "OKP", "not Ed25519"},
      {ec, "kty", 1, "no text"},
      {ec, "crv", "P-521", "wrong length"},
      {ec, "crv", "secp256k1", "none of P-256"},
      {ec, "crv", "P-384", "wrong length"},
      {ec, "x", Json::parse(ec.jwk())["y"], "no point"},
      {ec, "x", "AAAA", "wrong length"},
      {ec, "x", zero_first, "x "},
      {ec, "x", "not base64url!", "no base64url"},
      {ec, "d", "AAAA", "private key"},
      {ed, "d", "AAAA", "private key"},
      {rsa, "d", "AAAA", "private key"},
      {rsa, "p", "AAAA", "private key"},
      {ec, "alg", "ES384", "is not ES256"},
      {ec, "alg", "none", "is not ES256"},
      {ed, "alg", "Ed25519", "is not EdDSA"},
      {rsa, "alg", "RS256", "is not PS256"},
      {ec, "use", "enc", "is not sig"},
      {ec, "key_ops", {"sign"}, "is not [\"verify\"]"},
      {ec, "key_ops", {"verify", "sign"}, "is not [\"verify\"]"},
      {ec, "kid", "", "has not 1 to 256 bytes"},
      {ec, "kid", "a\nb", "control characters"},
      {ec, "kid", 1, "no text"},
      {ec, "x5c", Json::array(), "not known here"},
      {ec, "n", "AQAB", "not known here"},
      {ed, "crv", "Ed448", "not Ed25519"},
      {ed, "crv", "X25519", "not Ed25519"},
      {ed, "x", "AAAA", "wrong length"},
      {rsa, "e", "AQ", "can have"},
      {rsa, "e", "Ag", "can have"},
      {rsa, "e", "AAEAAQ", "begins with a zero"},
      {rsa, "e", "", "wrong length"},
      {rsa, "n", to_base64url(Bytes(128, 0xff)), "can have"},
      {rsa, "n", to_base64url(Bytes(513, 0xff)), "wrong length"},
  };
  for (const Case& bad : cases) {
    EXPECT_THAT(complaint_with(bad.key, bad.member, bad.value), testing::HasSubstr(bad.why))
        << bad.member << " = " << bad.value;
  }
}

TEST(Approvers, AKeyThatCantSignGrantsIsNotWritten) {
  const PublicKey large = PublicKey::from_rsa(Bytes(1024, 0xff), Bytes{1, 0, 1});
  EXPECT_THROW(static_cast<void>(grant::to_jwk(large, "")), Error);
  const TestApprover ed(Algorithm::eddsa);
  EXPECT_THROW(static_cast<void>(grant::to_jwk(ed.public_key(), std::string(257, 'x'))), Error);
  EXPECT_THROW(static_cast<void>(grant::to_jwk(ed.public_key(), "\xff")), Error);
}

}  // namespace
}  // namespace mayfly::test
