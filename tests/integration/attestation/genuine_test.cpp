// Evidence that a TPM really made: the good is believed, and each way of being wrong, though it is
// genuinely signed, is refused by the check that is there for it.
#include "credential/attestation/policy.h"
#include "integration/attestation/fixture.h"

namespace mayfly::test {
namespace {

using attestation::Evidence;
using attestation::Verified;

using GenuineEvidence = AttestationTest;

TEST_F(GenuineEvidence, OfAKeyWithTheChipsDeadlineIsBelieved) {
  const Recipe recipe;
  const Evidence evidence = tpm().make(recipe);
  const Verified verified = attestation::verify(evidence, expectations(recipe), trust_in(evidence));
  EXPECT_EQ(verified.task_id, "invoice-4711");
  EXPECT_EQ(verified.serial, "0123456789abcdef");
  EXPECT_EQ(verified.deadline_unix_s, kMadeAt + 900);
  EXPECT_EQ(verified.key.spec(), (KeySpec{CKK_EC, 256}));
  ASSERT_TRUE(verified.chip_deadline_unix_s);
  EXPECT_LE(*verified.chip_deadline_unix_s, kMadeAt + 900);
  EXPECT_GT(*verified.chip_deadline_unix_s, kMadeAt);
  EXPECT_FALSE(verified.kill_switch);
}

TEST_F(GenuineEvidence, OfEveryKindOfKeyIsBelieved) {
  using Key = Recipe::Key;
  for (const Key key : {Key::p256, Key::p384, Key::rsa2048}) {
    for (const Key signer : {Key::p256, Key::p384, Key::rsa2048}) {
      Recipe recipe;
      recipe.key = key;
      recipe.attestation_key = signer;
      EXPECT_EQ(refusal(recipe), "") << static_cast<int>(key) << static_cast<int>(signer);
    }
  }
  Recipe recipe;
  recipe.attestation_key = Key::rsa2048;
  recipe.rsa_pss = true;
  EXPECT_EQ(refusal(recipe), "");
}

TEST_F(GenuineEvidence, OfAKeyWithAKillSwitchIsBelieved) {
  Recipe recipe;
  recipe.kill_switch = true;
  const Evidence evidence = tpm().make(recipe);
  attestation::Expectations expected = expectations(recipe);
  expected.kill_switch = true;
  EXPECT_TRUE(attestation::verify(evidence, expected, trust_in(evidence)).kill_switch);
}

TEST_F(GenuineEvidence, WithoutAKillSwitchThatIsAskedForIsRefused) {
  const Evidence evidence = tpm().make({});
  attestation::Expectations expected = expectations();
  expected.kill_switch = true;
  EXPECT_EQ(refusal(evidence, expected, trust_in(evidence)), "policy");
}

TEST_F(GenuineEvidence, OfASoftwareDeadlineIsBelievedOnlyWhenThatIsAccepted) {
  Recipe recipe;
  recipe.hardware_deadline = false;
  const Evidence evidence = tpm().make(recipe);
  const attestation::Expectations accepting = expectations(recipe);
  EXPECT_FALSE(attestation::verify(evidence, accepting, trust_in(evidence)).chip_deadline_unix_s);
  attestation::Expectations strict = accepting;
  strict.software_deadline = false;
  EXPECT_EQ(refusal(evidence, strict, trust_in(evidence)), "policy");
}

TEST_F(GenuineEvidence, SurvivesItsFileForm) {
  Recipe recipe;
  recipe.kill_switch = true;
  Evidence evidence = tpm().make(recipe);
  evidence.certificates = {"-----BEGIN CERTIFICATE-----\n"};
  const std::string text = attestation::to_json(evidence);
  const Evidence read = attestation::evidence_from_json(text);
  EXPECT_EQ(attestation::to_json(read), text);
  EXPECT_EQ(refusal(read, expectations(recipe), trust_in(evidence)), "");
}

TEST_F(GenuineEvidence, PolicyIsComputedAsTheTpmDoes) {
  Recipe recipe;
  recipe.kill_switch = true;
  const Evidence evidence = tpm().make(recipe);
  EXPECT_EQ(attestation::policy_digest(evidence.policy, Hash::sha256),
            tpm().trial_policy(evidence.policy, Recipe::Policy::whole));
}

TEST_F(GenuineEvidence, ForAnotherNonceIsRefused) {
  const Evidence evidence = tpm().make({});
  attestation::Expectations expected = expectations();
  expected.nonce = Bytes(16, 0x5b);
  EXPECT_EQ(refusal(evidence, expected, trust_in(evidence)), "nonce");
  // An old answer under a new nonce: what was signed says so.
  Evidence renamed = evidence;
  renamed.nonce = expected.nonce;
  EXPECT_EQ(refusal(renamed, expected, trust_in(evidence)), "qualifying data");
}

TEST_F(GenuineEvidence, ForAnotherTaskIsRefused) {
  const Evidence evidence = tpm().make({});
  attestation::Expectations expected = expectations();
  expected.task_id = "invoice-4712";
  EXPECT_EQ(refusal(evidence, expected, trust_in(evidence)), "task");
  expected.task_id = "invoice-4711";
  EXPECT_EQ(refusal(evidence, expected, trust_in(evidence)), "");
}

TEST_F(GenuineEvidence, OfAnAttestationKeyThatIsNotEnrolledIsRefused) {
  const Evidence evidence = tpm().make({});
  Recipe other;
  other.attestation_key = Recipe::Key::p384;
  EXPECT_EQ(refusal(evidence, expectations(), trust_in(tpm().make(other))), "trust");
  attestation::Trust by_key;
  by_key.enrolled_key_info = Bytes(91, 1);
  EXPECT_EQ(refusal(evidence, expectations(), by_key), "trust");
}

struct WrongRecipe {
  const char* name;
  const char* check;
  void (*spoil)(Recipe& recipe);
};

constexpr WrongRecipe kWrongRecipes[] = {
    {"KeyOfTheOwnerHierarchyOutlivesResets", "qualified name",
     [](Recipe& r) { r.key_hierarchy = ESYS_TR_RH_OWNER; }},
    {"AttestationKeyOfTheOwnerHierarchyBlursResets", "signer",
     [](Recipe& r) { r.attestation_hierarchy = ESYS_TR_RH_OWNER; }},
    {"UnrestrictedAttestationKeySignsForgeries", "attestation key",
     [](Recipe& r) { r.attestation_without = TPMA_OBJECT_RESTRICTED; }},
    {"PasswordGoesPastThePolicy", "key attributes",
     [](Recipe& r) { r.key_extra = TPMA_OBJECT_USERWITHAUTH; }},
    {"KeyThatDecrypts", "key attributes", [](Recipe& r) { r.key_extra = TPMA_OBJECT_DECRYPT; }},
    {"KeyThatCanLeaveTheTpm", "key attributes",
     [](Recipe& r) { r.key_without = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT; }},
    {"KeyThatCanMoveWithItsParent", "key attributes",
     [](Recipe& r) {
       r.key_without = TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_FIXEDTPM;
       r.hardware_deadline = false;
     }},
    {"PolicyWithoutTheResetCounters", "policy",
     [](Recipe& r) { r.policy = Recipe::Policy::without_resets; }},
    {"PolicyByTheClockThatClearSetsBack", "policy",
     [](Recipe& r) { r.policy = Recipe::Policy::by_clock; }},
    {"PolicyTheWrongWayRound", "policy",
     [](Recipe& r) { r.policy = Recipe::Policy::after_the_time; }},
    {"PolicyWithoutPassword", "policy",
     [](Recipe& r) { r.policy = Recipe::Policy::without_password; }},
    {"PinnedToAnotherResetCount", "clock", [](Recipe& r) { r.wrong_resets = 1; }},
    {"ChipDeadlineIsOver", "time", [](Recipe& r) { r.chip_ms_left = 0; }},
    {"ChipDeadlineIsLongAfterTheTasks", "time",
     [](Recipe& r) { r.chip_ms_left = (r.seconds_left + 600) * 1000; }},
    {"TaskIsOver", "deadline", [](Recipe& r) { r.seconds_left = 0; }},
    {"TimeIsOverAnotherNonce", "qualifying data",
     [](Recipe& r) { r.time_nonce = Bytes(16, 0x5b); }},
};

class WrongEvidence : public AttestationTest, public testing::WithParamInterface<WrongRecipe> {};

TEST_P(WrongEvidence, IsRefused) {
  Recipe recipe;
  GetParam().spoil(recipe);
  EXPECT_EQ(refusal(recipe), GetParam().check);
}

INSTANTIATE_TEST_SUITE_P(All, WrongEvidence, testing::ValuesIn(kWrongRecipes),
                         [](const auto& wrong) { return std::string(wrong.param.name); });

}  // namespace
}  // namespace mayfly::test
