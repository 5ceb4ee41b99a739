// Signatures that others made, of the RFCs.
#include "base/jws_algorithm.h"

#include <gtest/gtest.h>

#include "base/base64url.h"
#include "base/jwk.h"

namespace mayfly::test {
namespace {

struct Example {
  JwsAlgorithm algorithm;
  const char* jwk;
  const char* text;
  const char* signature;
};

constexpr Example kExamples[] = {
    // RFC 7515, A.3
    {JwsAlgorithm::es256,
     R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
         "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
     "eyJhbGciOiJFUzI1NiJ9."
     "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
     "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
     "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
    // RFC 8037, A.4
    {JwsAlgorithm::eddsa,
     R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
     "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
    // RFC 7515, A.4
    {JwsAlgorithm::es512,
     R"({"kty":"EC","crv":"P-521",
         "x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
         "y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"})",
     "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA",
     "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7Xdt"
     "AG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"},
};

TEST(JwsAlgorithm, SignaturesOfTheRfcsAreGoodAndNoOthers) {
  for (const Example& example : kExamples) {
    const nlohmann::json json = nlohmann::json::parse(example.jwk);
    JsonObject jwk(json, "jwk");
    const PublicKey key = read_jwk_key(jwk);
    const Bytes signature = parse_base64url(example.signature).value();
    const ByteView text = as_bytes(example.text);
    EXPECT_EQ(jws_algorithm_of(key.spec()), example.algorithm);
    EXPECT_TRUE(is_signature(example.algorithm, key, text, signature));
    EXPECT_FALSE(is_signature(example.algorithm, key, text.first(20), signature));
    for (const JwsAlgorithm other : kJwsAlgorithms) {
      EXPECT_EQ(is_signature(other, key, text, signature), other == example.algorithm);
    }
  }
}

TEST(JwsAlgorithm, NamesAreExact) {
  for (const JwsAlgorithm algorithm : kJwsAlgorithms) {
    EXPECT_EQ(find_jws_algorithm(name_of(algorithm)), algorithm);
  }
  for (const char* name : {"", "none", "HS256", "RS256", "es256", "EDDSA", "PS512", "ES256K"}) {
    EXPECT_FALSE(find_jws_algorithm(name)) << name;
  }
}

TEST(JwsAlgorithm, EachCurveHasOneAndRsaHasTwo) {
  using enum JwsAlgorithm;
  const auto all_of = [](const KeySpec& spec) {
    std::vector<JwsAlgorithm> all;
    for (const JwsAlgorithm algorithm : kJwsAlgorithms) {
      if (fits(algorithm, spec)) all.push_back(algorithm);
    }
    return all;
  };
  EXPECT_EQ(all_of({CKK_EC, 256}), std::vector{es256});
  EXPECT_EQ(all_of({CKK_EC, 384}), std::vector{es384});
  EXPECT_EQ(all_of({CKK_EC, 521}), std::vector{es512});
  EXPECT_EQ(all_of({CKK_EC_EDWARDS, 255}), std::vector{eddsa});
  for (const unsigned bits : {2048U, 4096U}) {
    EXPECT_EQ(all_of({CKK_RSA, bits}), (std::vector{ps256, ps384}));
    EXPECT_EQ(jws_algorithm_of({CKK_RSA, bits}), ps256);
  }
  for (const unsigned bits : {2047U, 4097U}) EXPECT_TRUE(all_of({CKK_RSA, bits}).empty());
}

}  // namespace
}  // namespace mayfly::test
