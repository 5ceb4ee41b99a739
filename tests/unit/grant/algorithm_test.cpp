// Signatures that others made, of the RFCs.
#include "grant/algorithm.h"

#include <gtest/gtest.h>

#include "base/base64url.h"
#include "grant/approvers.h"

namespace mayfly::test {
namespace {

using grant::Algorithm;
using grant::is_signature;

struct Example {
  Algorithm algorithm;
  const char* jwk;
  const char* text;
  const char* signature;
};

constexpr Example kExamples[] = {
    // RFC 7515, A.3
    {Algorithm::es256,
     R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
         "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
     "eyJhbGciOiJFUzI1NiJ9."
     "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
     "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
     "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
    // RFC 8037, A.4
    {Algorithm::eddsa,
     R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
     "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
};

TEST(Algorithm, SignaturesOfTheRfcsAreGoodAndNoOthers) {
  for (const Example& example : kExamples) {
    const grant::Approver approver =
        grant::parse_approvers("{\"keys\":[" + std::string(example.jwk) + "]}").front();
    const Bytes signature = parse_base64url(example.signature).value();
    const ByteView text = as_bytes(example.text);
    EXPECT_EQ(approver.algorithm, example.algorithm);
    EXPECT_TRUE(is_signature(example.algorithm, approver.key, text, signature));
    EXPECT_FALSE(is_signature(example.algorithm, approver.key, text.first(20), signature));
    for (const Algorithm other :
         {Algorithm::es256, Algorithm::es384, Algorithm::eddsa, Algorithm::ps256}) {
      EXPECT_EQ(is_signature(other, approver.key, text, signature), other == example.algorithm);
    }
  }
}

TEST(Algorithm, NamesAreExact) {
  for (const Algorithm algorithm :
       {Algorithm::es256, Algorithm::es384, Algorithm::eddsa, Algorithm::ps256}) {
    EXPECT_EQ(grant::find_algorithm(grant::name_of(algorithm)), algorithm);
  }
  for (const char* name : {"", "none", "HS256", "RS256", "es256", "EDDSA", "PS384"}) {
    EXPECT_FALSE(grant::find_algorithm(name)) << name;
  }
}

TEST(Algorithm, EachKindOfKeyHasOneOrNone) {
  EXPECT_EQ(grant::algorithm_of({CKK_EC, 256}), Algorithm::es256);
  EXPECT_EQ(grant::algorithm_of({CKK_EC, 384}), Algorithm::es384);
  EXPECT_EQ(grant::algorithm_of({CKK_EC_EDWARDS, 255}), Algorithm::eddsa);
  EXPECT_EQ(grant::algorithm_of({CKK_RSA, 2048}), Algorithm::ps256);
  EXPECT_EQ(grant::algorithm_of({CKK_RSA, 4096}), Algorithm::ps256);
  EXPECT_EQ(grant::algorithm_of({CKK_EC, 521}), std::nullopt);
  EXPECT_EQ(grant::algorithm_of({CKK_RSA, 2047}), std::nullopt);
  EXPECT_EQ(grant::algorithm_of({CKK_RSA, 4097}), std::nullopt);
}

}  // namespace
}  // namespace mayfly::test
