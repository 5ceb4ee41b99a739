#include "credential/proof/wpt.h"

#include <gtest/gtest.h>

#include "unit/credential/sample.h"

namespace mayfly::test {
namespace {

using namespace credential;

std::string verdict(const std::string& text, const std::string& wit_text,
                    const ProofExpectations& expected) {
  MemoryReplayCache seen;
  const auto credential = verify_wit(wit_text, issuer_keys(), {expected.clock, "", "", ""});
  return outcome([&] { verify_wpt(text, wit_text, credential, expected, seen); });
}

TEST(Wpt, HoldsWithItsIdentityTokenOnly) {
  const std::string wit = sample_wit_text();
  const std::string text = make_wpt({kTarget, wit, ""}, {kNow, kNow + 600}, agent().signer());
  EXPECT_EQ(verdict(text, wit, sample_request()), "accepted");
  // The same claims, signed anew, are another token.
  EXPECT_EQ(verdict(text, sample_wit_text(), sample_request()), "proof wrong-credential");
}

TEST(Wpt, BothSpellingsOfItsTypeAreTaken) {
  const std::string wit = sample_wit_text();
  const nlohmann::json claims = {
      {"aud", kTarget}, {"exp", kNow + 30}, {"jti", "1"}, {"wth", token_hash(wit)}};
  for (const char* type : {"wpt+jwt", "application/wpt+jwt"}) {
    EXPECT_EQ(verdict(agent().jws(header_of("ES256", type), claims.dump()), wit, sample_request()),
              "accepted");
  }
  for (const char* type : {"JWT", "wit+jwt", "dpop+jwt", "WPT+JWT"}) {
    EXPECT_EQ(verdict(agent().jws(header_of("ES256", type), claims.dump()), wit, sample_request()),
              "proof type");
  }
}

TEST(Wpt, EndsWithTheTaskAndWithTheIdentityToken) {
  Wit wit = sample_wit();
  wit.expires = kNow + 20;
  const std::string wit_text = issue_wit(wit, "now", issuer().signer(), kNow);
  const auto end_of = [&](std::uint64_t deadline) {
    return read_wpt(make_wpt({kTarget, wit_text, ""}, {kNow, deadline}, agent().signer()), wit)
        .expires;
  };
  EXPECT_EQ(end_of(kNow + 600), kNow + 20);
  EXPECT_EQ(end_of(kNow + 10), kNow + 10);
  EXPECT_THROW(end_of(kNow), Error);
}

TEST(Wpt, IsNotMadeByAnotherKeyNorForAnything) {
  const auto making = [](const WptRequest& request, const TestSigner& signer) {
    return outcome([&] {
      static_cast<void>(make_wpt(request, {kNow, kNow + 600}, signer.signer()));
    });
  };
  EXPECT_EQ(making({kTarget, sample_wit_text(), ""}, agent()), "accepted");
  EXPECT_NE(making({kTarget, sample_wit_text(), ""}, stranger()), "accepted");
  EXPECT_NE(making({"", sample_wit_text(), ""}, agent()), "accepted");
  EXPECT_NE(making({"a\nb", sample_wit_text(), ""}, agent()), "accepted");
  EXPECT_NE(making({kTarget, "no token", ""}, agent()), "accepted");
}

}  // namespace
}  // namespace mayfly::test
