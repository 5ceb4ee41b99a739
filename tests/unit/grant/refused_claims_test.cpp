// Claims that are refused, whoever signed them.
#include <gtest/gtest.h>

#include "grant/claims.h"
#include "support/test_approver.h"
#include "unit/grant/sample.h"

namespace mayfly::test {
namespace {

struct ClaimVector {
  std::string name;
  std::string reason;
  std::string claims;
};

using ClaimVectors = std::vector<ClaimVector>;

/// The good claims with a text put in front of the last bracket.
std::string with_text(const std::string& text) {
  std::string claims = sample_claims().dump();
  claims.insert(claims.size() - 1, text);
  return claims;
}

/// The good claims with the value of one replaced by a text that need be no JSON.
std::string with_raw(const char* claim, const std::string& value) {
  std::string claims = claims_without(claim);
  claims.insert(claims.size() - 1, ",\"" + std::string(claim) + "\":" + value);
  return claims;
}

void add_documents(ClaimVectors& all) {
  const std::string good = sample_claims().dump();
  for (const std::string& text :
       {std::string("no JSON"), std::string("[]"), std::string("null"), "[" + good + "]",
        "\xef\xbb\xbf" + good, good + good, good.substr(0, good.size() - 1),
        with_raw("sub", "\"\xff\""), with_raw("sub", "\"\\ud800\""), with_raw("exp", "01800000590"),
        with_raw("exp", "0x6b49d24e"), with_raw("exp", "NaN"),
        with_text(",\"a\":[[[[[[[[[[[[1]]]]]]]]]]]]")}) {
    all.push_back({"no JSON object: " + text.substr(0, 40), "claims", text});
  }
  all.push_back({"a claim twice", "duplicate-claim", with_text(",\"exp\":1800000590")});
  all.push_back(
      {"a claim twice, once in escapes", "duplicate-claim", with_text(R"(,"\u0065xp":1)")});
  all.push_back({"a claim of children twice", "duplicate-claim",
                 with_raw("children", R"({"allowed":false,"allowed":true,"depth":1})")});
  all.push_back({"a claim that nobody knows", "unknown-claim", with_text(",\"admin\":true")});
  all.push_back({"a claim in capitals", "unknown-claim", with_text(",\"EXP\":1")});
  all.push_back({"a claim of children that nobody knows", "unknown-claim",
                 claims_with("children", {{"allowed", true}, {"depth", 1}, {"width", 2}})});
  for (const char* claim : {"iss", "sub", "jti", "iat", "exp", "task", "ttl", "aud"}) {
    all.push_back({std::string("without ") + claim, "missing-claim", claims_without(claim)});
  }
  all.push_back(
      {"children without allowed", "missing-claim", claims_with("children", {{"depth", 1}})});
  all.push_back(
      {"children without depth", "missing-claim", claims_with("children", {{"allowed", true}})});
}

void add_bad(ClaimVectors& all, const char* claim, const nlohmann::json& value) {
  all.push_back({std::string(claim) + " = " + value.dump().substr(0, 40), "bad-claim",
                 claims_with(claim, value)});
}

void add_texts(ClaimVectors& all) {
  for (const char* claim : {"iss", "sub", "jti", "task", "parent"}) {
    for (const nlohmann::json& value :
         {nlohmann::json(""), nlohmann::json(1), nlohmann::json(nullptr), nlohmann::json("a\nb"),
          nlohmann::json(std::string("a\0b", 3)), nlohmann::json("a\xe2\x80\xa8"),
          nlohmann::json("\x7f"), nlohmann::json(nlohmann::json::array({"a"})),
          nlohmann::json(std::string(256, 'x'))}) {
      add_bad(all, claim, value);
    }
  }
  add_bad(all, "jti", std::string(129, 'x'));
  for (const char* scope : {"", " ", " pay", "pay ", "pay  read", "pay\tread", "pay\nread", "p\"y",
                            "p\\y", "caf\u00e9", "pay pay"}) {
    add_bad(all, "scope", scope);
  }
  add_bad(all, "scope", std::string(129, 'x'));
  add_bad(all, "scope", nlohmann::json::array({"pay"}));
  std::string many = "s0";
  for (int i = 1; i <= 64; ++i) many += " s" + std::to_string(i);
  add_bad(all, "scope", many);
}

void add_numbers(ClaimVectors& all) {
  for (const char* claim : {"iat", "nbf", "exp", "ttl", "max_sigs", "max_keys"}) {
    for (const nlohmann::json& value :
         {nlohmann::json("1800000590"), nlohmann::json(1800000590.5), nlohmann::json(-1),
          nlohmann::json(true), nlohmann::json(nullptr), nlohmann::json(1ULL << 53),
          nlohmann::json(~0ULL), nlohmann::json::array({1})}) {
      add_bad(all, claim, value);
    }
    for (const char* raw : {"1.0", "1800000590e0", "1e3", "-0", "18446744073709551616", "1e400"}) {
      all.push_back({std::string(claim) + " = " + raw,
                     std::string(raw) == "1e400" ? "claims" : "bad-claim", with_raw(claim, raw)});
    }
  }
  for (const char* claim : {"ttl", "max_sigs", "max_keys"}) add_bad(all, claim, 0);
  add_bad(all, "exp", 253'402'300'800ULL);
  add_bad(all, "ttl", 3650ULL * 24 * 3600 + 1);
  add_bad(all, "exp", kNow - 10);  // as iat and nbf
  add_bad(all, "exp", kNow - 11);
  add_bad(all, "iat", kNow + 590);
  add_bad(all, "nbf", kNow + 590);
  add_bad(all, "nbf", kNow + 591);
}

void add_lists(ClaimVectors& all) {
  using Value = nlohmann::json;
  for (const Value& value :
       {Value::array(), Value("CKM_ECDSA"), Value(1), Value::object(), Value::array({"ES256"}),
        Value::array({"ecdsa"}), Value::array({"CKM_"}), Value::array({"CKM_ecdsa"}),
        Value::array({"CKM_ECDSA "}), Value::array({" CKM_ECDSA"}), Value::array({"CKM_ECDSA\n"}),
        Value::array({"*"}), Value::array({0x1041}), Value::array({"CKM_ECDSA", "CKM_ECDSA"}),
        Value::array({"CKM_ECDSA", nullptr}), Value::array({"CKM_" + std::string(61, 'X')})}) {
    add_bad(all, "mechs", value);
  }
  Value many = Value::array();
  for (int i = 0; i < 65; ++i) many.push_back("CKM_" + std::to_string(i));
  add_bad(all, "mechs", many);
  Value brokers = Value::array();
  for (int i = 0; i < 17; ++i) brokers.push_back("b" + std::to_string(i));
  for (const Value& value :
       {Value::array(), Value(""), Value(1), Value(nullptr), Value::array({""}), Value::array({1}),
        Value::array({"a", "a"}), Value::array({"a\nb"}), Value::array({std::string(256, 'a')}),
        brokers}) {
    add_bad(all, "aud", value);
  }
  for (const Value& value :
       {Value(true), Value(2), Value::array(), Value{{"allowed", 1}, {"depth", 1}},
        Value{{"allowed", "true"}, {"depth", 1}}, Value{{"allowed", true}, {"depth", 0}},
        Value{{"allowed", true}, {"depth", 17}}, Value{{"allowed", true}, {"depth", "1"}},
        Value{{"allowed", true}, {"depth", -1}}, Value{{"allowed", false}, {"depth", 1}},
        Value{{"allowed", false}, {"depth", 0}}}) {
    add_bad(all, "children", value);
  }
}

TEST(RefusedClaims, EachForItsOwnReasonThoughAnApproverSignedThem) {
  ClaimVectors all;
  add_documents(all);
  add_texts(all);
  add_numbers(all);
  add_lists(all);
  const TestApprover approver(grant::Algorithm::eddsa);
  const std::vector<grant::Approver> trusted = {approver.approver()};
  for (const ClaimVector& vector : all) {
    EXPECT_EQ(outcome_of([&] { return grant::parse_claims(vector.claims); }), vector.reason)
        << vector.name;
    EXPECT_EQ(outcome_of([&] {
                return grant::verify(approver.token(vector.claims), trusted, sample_expectations());
              }),
              vector.reason)
        << vector.name;
  }
  EXPECT_GE(all.size(), 200U);
  RecordProperty("vectors", static_cast<int>(all.size()));
}

TEST(RefusedClaims, AreNotLookedAtBeforeTheSignature) {
  const TestApprover stranger(grant::Algorithm::eddsa);
  const TestApprover approver(grant::Algorithm::eddsa);
  EXPECT_EQ(outcome_of([&] {
              return grant::verify(stranger.token("no JSON"), {approver.approver()},
                                   sample_expectations());
            }),
            "bad-signature");
}

}  // namespace
}  // namespace mayfly::test
