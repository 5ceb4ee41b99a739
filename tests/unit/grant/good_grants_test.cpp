// Grants that hold.
#include <gtest/gtest.h>

#include "base/jwk.h"
#include "support/test_approver.h"
#include "unit/grant/sample.h"

namespace mayfly::test {
namespace {

using grant::Algorithm;

constexpr Algorithm kAlgorithms[] = {Algorithm::es256, Algorithm::es384, Algorithm::eddsa,
                                     Algorithm::ps256};

TEST(GoodGrants, OfEachAlgorithmHoldAndTellWhoGaveThem) {
  std::vector<TestApprover> people;
  std::vector<grant::Approver> trusted;
  for (const Algorithm algorithm : kAlgorithms) {
    // Two of each kind: the right one has to be found.
    for (const char* name : {"-a", "-b"}) {
      people.emplace_back(algorithm, std::string(name_of(algorithm)) + name);
      trusted.push_back(people.back().approver());
    }
  }
  for (std::size_t i = 0; i < people.size(); ++i) {
    const TestApprover& person = people[i];
    const std::string start = R"({"alg":")" + person.algorithm() + R"(","typ":"mayfly-grant+jwt")";
    for (const std::string& kid : {std::string(), ",\"kid\":\"" + trusted[i].key_id + "\"",
                                   ",\"kid\":\"" + trusted[i].thumbprint + "\""}) {
      const grant::Verified verified = grant::verify(
          person.jws(start + kid + "}", sample_claims().dump()), trusted, sample_expectations());
      EXPECT_EQ(verified.grant.id, "grant-1");
      EXPECT_EQ(verified.key_id, trusted[i].key_id);
      EXPECT_EQ(verified.approver, jwk_thumbprint(person.public_key()));
    }
  }
}

TEST(GoodGrants, HoldFromTheirFirstToTheirLastSecondAndTheSkew) {
  const TestApprover approver(Algorithm::eddsa);
  const std::vector<grant::Approver> trusted = {approver.approver()};
  const std::string token = approver.token(sample_claims().dump());
  const auto at = [&](std::uint64_t now, int skew) {
    grant::Expectations expected = sample_expectations();
    expected.now_unix_s = now;
    expected.clock_skew = std::chrono::seconds(skew);
    return outcome_of([&] { return grant::verify(token, trusted, expected); });
  };
  EXPECT_EQ(at(kNow - 11, 0), "issued-in-future");
  EXPECT_EQ(at(kNow - 10, 0), "accepted");
  EXPECT_EQ(at(kNow + 589, 0), "accepted");
  EXPECT_EQ(at(kNow + 590, 0), "expired");
  EXPECT_EQ(at(kNow - 41, 30), "issued-in-future");
  EXPECT_EQ(at(kNow - 40, 30), "accepted");
  EXPECT_EQ(at(kNow + 619, 30), "accepted");
  EXPECT_EQ(at(kNow + 620, 30), "expired");
}

TEST(GoodGrants, HoldAtTheLimitsOfTheBroker) {
  const TestApprover approver(Algorithm::eddsa);
  const std::vector<grant::Approver> trusted = {approver.approver()};
  grant::Expectations expected = sample_expectations();
  const auto outcome = [&](const std::string& claims) {
    return outcome_of([&] { return grant::verify(approver.token(claims), trusted, expected); });
  };
  EXPECT_EQ(outcome(claims_with("exp", kNow - 10 + 3600)), "accepted");
  EXPECT_EQ(outcome(claims_with("ttl", 24 * 3600)), "accepted");
  EXPECT_EQ(outcome(claims_with("aud", {"other", "broker"})), "accepted");
  expected.task = std::nullopt;
  EXPECT_EQ(outcome(claims_with("task", "whichever")), "accepted");
  expected.parent = "order";
  EXPECT_EQ(outcome(claims_with("parent", "order")), "accepted");
}

TEST(GoodGrants, MayBeAsLongAsTheLimit) {
  const TestApprover approver(Algorithm::eddsa);
  const std::size_t rest = approver.token(sample_claims().dump()).size();
  // Spaces between claims are claims as well; four characters for three of them.
  std::string claims = sample_claims().dump();
  claims.insert(1, std::string((grant::kMaxGrantSize - rest) / 4 * 3, ' '));
  const std::string token = approver.token(claims);
  EXPECT_GT(token.size(), grant::kMaxGrantSize - 8);
  EXPECT_LE(token.size(), grant::kMaxGrantSize);
  EXPECT_EQ(outcome_of(
                [&] { return grant::verify(token, {approver.approver()}, sample_expectations()); }),
            "accepted");
}

TEST(GoodGrants, AreShownWithoutBeingBelieved) {
  const TestApprover stranger(Algorithm::es256);
  const grant::Unverified shown = grant::read_unverified(stranger.jws(
      R"({"alg":"ES256","typ":"mayfly-grant+jwt","kid":"x"})", sample_claims().dump()));
  EXPECT_EQ(shown.algorithm, "ES256");
  EXPECT_EQ(shown.key_id, "x");
  EXPECT_EQ(shown.grant.task, "invoice-4711");
  EXPECT_EQ(outcome_of([&] { return grant::read_unverified(stranger.token("{}")); }),
            "missing-claim");
}

}  // namespace
}  // namespace mayfly::test
