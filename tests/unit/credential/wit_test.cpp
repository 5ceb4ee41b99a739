#include "credential/wit/wit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/credential/sample.h"

namespace mayfly::test {
namespace {

using namespace credential;

TEST(Wit, OfEachAlgorithmHoldsAndSaysWhatItSaid) {
  for (const JwsAlgorithm algorithm : kJwsAlgorithms) {
    const TestSigner signer(algorithm);
    const TestSigner holder(algorithm);
    Wit wit = sample_wit();
    wit.key = holder.public_key();
    wit.algorithm = algorithm;
    const std::string text = issue_wit(wit, "", signer.signer(), kNow);
    const auto verified = verify_wit(text, {published(signer.public_key())}, sample_expectations());
    EXPECT_EQ(verified.thumbprint, jwk_thumbprint(holder.public_key()));
    EXPECT_EQ(verified.subject, wit.subject);
    EXPECT_EQ(verified.wit->status, wit.status);
    EXPECT_EQ(verified.wit->task_serial, wit.task_serial);
  }
}

TEST(Wit, HasTheClaimsOfItsStandard) {
  const nlohmann::json claims = sample_wit_claims();
  EXPECT_EQ(claims["sub"], "spiffe://example.org/task/invoice");
  EXPECT_EQ(claims["cnf"]["jwk"]["kty"], "EC");
  EXPECT_EQ(claims["cnf"]["jwk"]["alg"], "ES256");
  EXPECT_EQ(claims["status"]["status_list"]["idx"], 7);
  EXPECT_EQ(claims["mayfly_task"]["serial"], "0123456789abcdef");
}

TEST(Wit, IsNotIssuedPastTheDeadlineNorOtherwiseThanItWouldBeRead) {
  const std::pair<const char*, std::function<void(Wit&)>> spoilings[] = {
      {"past the task's deadline", [](Wit& w) { w.expires = w.deadline_unix_s + 1; }},
      {"not after iat", [](Wit& w) { w.expires = w.issued_at; }},
      {"would have expired", [](Wit& w) { w.expires = kNow; }},
      {"claims.iss", [](Wit& w) { w.issuer = ""; }},
      {"claims.sub", [](Wit& w) { w.subject = "a\nb"; }},
      {"not be read as", [](Wit& w) { w.subject = "\xff"; }},
      {"claims.jti", [](Wit& w) { w.id = std::string(2049, 'x'); }},
      {"mayfly_task.id", [](Wit& w) { w.task_id = std::string(256, 'x'); }},
      {"mayfly_task.serial", [](Wit& w) { w.task_serial = "0123"; }},
      {"cnf.jwk.alg", [](Wit& w) { w.algorithm = JwsAlgorithm::es384; }},
      {"status_list.uri", [](Wit& w) { w.status->uri = ""; }},
      {"status_list.idx", [](Wit& w) { w.status->index = ~0ULL; }}};
  for (const auto& [why, spoil] : spoilings) {
    Wit wit = sample_wit();
    spoil(wit);
    try {
      static_cast<void>(issue_wit(wit, "", issuer().signer(), kNow));
      ADD_FAILURE() << "issued: " << why;
    } catch (const Error& error) {
      EXPECT_EQ(error.rv(), CKR_ARGUMENTS_BAD);
      EXPECT_THAT(error.what(), testing::HasSubstr(why));
    }
  }
}

TEST(Wit, IsNotGivenOutWithASignatureThatDoesNotVerify) {
  class Spoiler : public Signer {
   public:
    [[nodiscard]] const PublicKey& public_key() const noexcept override {
      return issuer().public_key();
    }
    [[nodiscard]] Bytes sign(const SignatureScheme& scheme, ByteView message) override {
      Bytes signature = issuer().signer().sign(scheme, message);
      signature.back() ^= 1;
      return signature;
    }
  } spoiler;
  try {
    static_cast<void>(issue_wit(sample_wit(), "", spoiler, kNow));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.rv(), CKR_DEVICE_ERROR);
  }
}

TEST(Wit, HashesAreThoseOfRfc9449) {
  EXPECT_EQ(token_hash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
            "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
}

}  // namespace
}  // namespace mayfly::test
