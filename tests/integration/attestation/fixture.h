// One TPM for all tests of a suite, and what a verifier expects.
#pragma once

#include <memory>

#include <gtest/gtest.h>

#include "credential/attestation/refused.h"
#include "credential/attestation/verify.h"
#include "integration/attestation/attesting_tpm.h"
#include "support/environment.h"

namespace mayfly::test {

class AttestationTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tpm_ = std::make_unique<Swtpm>();
    quiet_ = std::make_unique<ScopedVariable>("TSS2_LOG", "all+NONE");
    attesting_ = std::make_unique<AttestingTpm>(tpm_->tcti());
  }
  static void TearDownTestSuite() {
    attesting_.reset();
    quiet_.reset();
    tpm_.reset();
  }

  static AttestingTpm& tpm() { return *attesting_; }

  static attestation::Expectations expectations(const Recipe& recipe = {}) {
    attestation::Expectations expected;
    expected.nonce = recipe.nonce;
    expected.received_unix_s = kMadeAt;
    expected.software_deadline = !recipe.hardware_deadline;
    return expected;
  }

  static attestation::Trust trust_in(const attestation::Evidence& evidence) {
    attestation::Trust trust;
    trust.enrolled_public = evidence.attestation_key_public;
    return trust;
  }

  /// Verifies, and says which check refused; empty if none did.
  static std::string refusal(const attestation::Evidence& evidence,
                             const attestation::Expectations& expected,
                             const attestation::Trust& trust) {
    try {
      static_cast<void>(attestation::verify(evidence, expected, trust));
    } catch (const attestation::Refused& refused) {
      return refused.check();
    }
    return "";
  }
  static std::string refusal(const Recipe& recipe) {
    const attestation::Evidence evidence = tpm().make(recipe);
    return refusal(evidence, expectations(recipe), trust_in(evidence));
  }

 private:
  static inline std::unique_ptr<Swtpm> tpm_;
  static inline std::unique_ptr<ScopedVariable> quiet_;
  static inline std::unique_ptr<AttestingTpm> attesting_;
};

}  // namespace mayfly::test
