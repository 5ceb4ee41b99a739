#include "grant/claims.h"

#include <gtest/gtest.h>

#include "unit/grant/sample.h"

namespace mayfly::test {
namespace {

using grant::Grant;
using grant::parse_claims;

TEST(Claims, AreReadAsTheyStand) {
  Grant expected;
  expected.issuer = "ops";
  expected.agent = "billing-agent";
  expected.id = "grant-1";
  expected.issued_at = kNow - 10;
  expected.not_before = kNow - 10;
  expected.expires = kNow + 590;
  expected.task = "invoice-4711";
  expected.ttl = std::chrono::minutes(15);
  expected.audience = {"broker"};
  expected.max_signatures = 10;
  expected.max_keys = 2;
  expected.mechanisms = {"CKM_ECDSA", "CKM_ECDSA_SHA256"};
  expected.scope = {"pay", "read"};
  expected.children = 2;
  EXPECT_EQ(parse_claims(sample_claims().dump()), expected);
}

TEST(Claims, WhatIsLeftOutIsNoLimitOfTheGrant) {
  nlohmann::json claims = sample_claims();
  for (const char* claim : {"nbf", "max_sigs", "max_keys", "mechs", "scope", "children"}) {
    claims.erase(claim);
  }
  const Grant grant = parse_claims(claims.dump());
  EXPECT_FALSE(grant.not_before);
  EXPECT_FALSE(grant.max_signatures);
  EXPECT_FALSE(grant.max_keys);
  EXPECT_TRUE(grant.mechanisms.empty());
  EXPECT_TRUE(grant.scope.empty());
  EXPECT_EQ(grant.children, 0U) << "children must be allowed";
  EXPECT_FALSE(grant.parent);
}

TEST(Claims, TheLargestOfEverythingIsTaken) {
  nlohmann::json claims = sample_claims();
  claims["iss"] = claims["sub"] = claims["task"] = claims["parent"] = std::string(255, 'x');
  claims["jti"] = std::string(128, 'x');
  claims["max_sigs"] = claims["max_keys"] = (1ULL << 53) - 1;
  claims["ttl"] = 3650ULL * 24 * 3600;
  claims["exp"] = 253'402'300'799ULL;
  claims["children"]["depth"] = 16;
  claims["mechs"] = {"CKM_" + std::string(60, 'X')};
  claims["scope"] = std::string(128, 'x');
  claims["aud"] = {std::string(255, 'a'), "b"};
  EXPECT_EQ(parse_claims(claims.dump()), parse_claims(to_json(parse_claims(claims.dump()))));
}

TEST(Claims, AreWrittenAsTheyAreRead) {
  nlohmann::json claims = sample_claims();
  EXPECT_EQ(nlohmann::json::parse(to_json(parse_claims(claims.dump()))), claims);
  claims["aud"] = {"a", "b"};
  claims["parent"] = "order";
  claims["task"] = "Rechnung \u00e4\u20ac";
  EXPECT_EQ(nlohmann::json::parse(to_json(parse_claims(claims.dump()))), claims);
  // Two ways to say the same.
  claims["aud"] = nlohmann::json::array({"a"});
  EXPECT_EQ(parse_claims(claims.dump()).audience, std::vector<std::string>{"a"});
  claims["children"] = {{"allowed", false}};
  EXPECT_EQ(parse_claims(claims.dump()).children, 0U);
}

}  // namespace
}  // namespace mayfly::test
