#include "grant/issue.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/pem_signer.h"
#include "grant/claims.h"
#include "support/test_approver.h"
#include "unit/grant/sample.h"

namespace mayfly::test {
namespace {

using grant::Algorithm;
using grant::Grant;

// openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-521
constexpr char kP521Key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIADPU1CMVyEB/i+DBR\n"
    "DFY27vQbeYOOQt72mScNhz6dSfTfx1y2D67dqEg29HNMwsHKQZxnuyGhSTc85piP\n"
    "h0h0B0ehgYkDgYYABAAq/3kOFI2elYknbJGadD9y7Hz4MghSF45a++GNioNEAvd3\n"
    "l/xjr1/yAu32HomZPvGpHOa0klsusLzNtyzoJ7t/PwF0X5+usmZLuB/E79HnQNmH\n"
    "DLjXFt2k9Aktg4dDBQvuQinivauQ+9FDj+ovG0g79cgqu4QE3PYfjNICNY7Z0riU\n"
    "Eg==\n"
    "-----END PRIVATE KEY-----\n";

Grant sample_grant() { return grant::parse_claims(sample_claims().dump()); }

/// "issued", or the CK_RV and why not.
std::string outcome(const Grant& grant, Signer& signer, const std::string& key_id = "") {
  try {
    static_cast<void>(grant::issue(grant, key_id, signer, kNow));
    return "issued";
  } catch (const Error& error) {
    return std::to_string(error.rv()) + " " + error.what();
  }
}

/// Counts how often it is asked, and spoils what the key signs.
class SpoilingSigner : public Signer {
 public:
  SpoilingSigner(Signer& signer, std::function<void(Bytes&)> spoil)
      : signer_(signer), spoil_(std::move(spoil)) {}

  [[nodiscard]] const PublicKey& public_key() const noexcept override {
    return signer_.public_key();
  }
  [[nodiscard]] Bytes sign(const SignatureScheme& scheme, ByteView message) override {
    ++asked;
    Bytes signature = signer_.sign(scheme, message);
    spoil_(signature);
    return signature;
  }

  int asked = 0;

 private:
  Signer& signer_;
  std::function<void(Bytes&)> spoil_;
};

TEST(Issue, WhatIsIssuedHolds) {
  for (const Algorithm algorithm :
       {Algorithm::es256, Algorithm::es384, Algorithm::eddsa, Algorithm::ps256}) {
    const TestApprover approver(algorithm);
    for (const char* key_id : {"", "ops"}) {
      const std::string text = grant::issue(sample_grant(), key_id, approver.signer(), kNow);
      const std::vector<grant::Approver> trusted =
          grant::parse_approvers(jwk_set({grant::to_jwk(approver.public_key(), key_id)}));
      EXPECT_EQ(grant::verify(text, trusted, sample_expectations()).grant, sample_grant());
    }
  }
}

TEST(Issue, TheKeyIsNotAskedToSignWhatVerifyWouldRefuse) {
  const TestApprover approver(Algorithm::eddsa);
  SpoilingSigner signer(approver.signer(), [](Bytes&) {});
  const std::pair<const char*, std::function<void(Grant&)>> spoilings[] = {
      {"is not after iat", [](Grant& g) { g.expires = g.issued_at; }},
      {"would have expired", [](Grant& g) { g.expires = kNow; }},
      {"grant.task", [](Grant& g) { g.task = ""; }},
      {"grant.task", [](Grant& g) { g.task = "a\nb"; }},
      {"grant.task", [](Grant& g) { g.task = std::string(256, 'x'); }},
      {"not be read as", [](Grant& g) { g.task = "\xff"; }},
      {"grant.iss", [](Grant& g) { g.issuer = ""; }},
      {"grant.sub", [](Grant& g) { g.agent = ""; }},
      {"grant.jti", [](Grant& g) { g.id = ""; }},
      {"grant.ttl", [](Grant& g) { g.ttl = std::chrono::seconds(0); }},
      {"grant.ttl", [](Grant& g) { g.ttl = std::chrono::seconds(-1); }},
      {"grant.max_sigs", [](Grant& g) { g.max_signatures = 0; }},
      {"grant.max_keys", [](Grant& g) { g.max_keys = ~0ULL; }},
      {"grant.mechs", [](Grant& g) { g.mechanisms = {"ES256"}; }},
      {"not be read as", [](Grant& g) { g.scope = {"two words"}; }},
      {"grant.scope",
       [](Grant& g) {
         g.scope = {"a", ""};
       }},
      {"grant.aud", [](Grant& g) { g.audience = {}; }},
      {"grant.children.depth", [](Grant& g) { g.children = 17; }},
      {"grant.parent", [](Grant& g) { g.parent = ""; }},
      {"is not after nbf", [](Grant& g) { g.not_before = g.expires; }}};
  for (const auto& [why, spoil] : spoilings) {
    Grant grant = sample_grant();
    spoil(grant);
    const std::string answer = outcome(grant, signer);
    EXPECT_THAT(answer, testing::HasSubstr(why));
    EXPECT_THAT(answer, testing::StartsWith(std::to_string(CKR_ARGUMENTS_BAD)));
  }
  EXPECT_THAT(outcome(sample_grant(), signer, std::string(257, 'k')),
              testing::HasSubstr("a key ID has"));
  EXPECT_EQ(signer.asked, 0);
  EXPECT_EQ(outcome(sample_grant(), signer), "issued");
}

TEST(Issue, AGrantThatWouldBeTooLongIsNotGivenOut) {
  const TestApprover approver(Algorithm::ps256);
  Grant grant = sample_grant();
  grant.audience.clear();
  grant.scope.clear();
  for (int i = 0; i < 16; ++i) grant.audience.push_back(std::string(250, 'a') + std::to_string(i));
  // First the claims are short enough and their base64 is not, then the claims are not.
  for (const int words : {30, 60}) {
    for (int i = 0; i < words; ++i) {
      grant.scope.push_back(std::to_string(words + i) + std::string(115, 's'));
    }
    EXPECT_THAT(outcome(grant, approver.signer()), testing::HasSubstr("it is longer than 8 KiB"));
    grant.scope.clear();
  }
}

TEST(Issue, ASignatureThatDoesNotVerifyIsNotGivenOut) {
  const TestApprover approver(Algorithm::es256);
  for (const std::function<void(Bytes&)>& spoil : std::vector<std::function<void(Bytes&)>>{
           [](Bytes& s) { s.back() ^= 1; }, [](Bytes& s) { s.push_back(0); },
           [](Bytes& s) { s.clear(); }, [](Bytes& s) { std::ranges::fill(s, 0); }}) {
    SpoilingSigner signer(approver.signer(), spoil);
    EXPECT_THAT(outcome(sample_grant(), signer),
                testing::StartsWith(std::to_string(CKR_DEVICE_ERROR)));
  }
}

TEST(Issue, AKeyThatNoFileOfApproversCouldHoldSignsNothing) {
  const auto signer = signer_of_pem(as_bytes(kP521Key));
  EXPECT_THAT(outcome(sample_grant(), *signer),
              testing::StartsWith(std::to_string(CKR_KEY_TYPE_INCONSISTENT)));
}

}  // namespace
}  // namespace mayfly::test
