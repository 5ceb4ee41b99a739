// Evidence of the TPM device itself, believed by whoever enrolled its attestation key.
#include <ctime>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/task_binding.h"
#include "credential/attestation/enrolment.h"
#include "credential/attestation/refused.h"
#include "credential/attestation/verify.h"
#include "device/tpm/enrolment.h"
#include "device/tpm/tpm_device.h"
#include "support/swtpm.h"

namespace mayfly::test {
namespace {

using attestation::Evidence;

class DeviceEvidenceTest : public testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<Device> open(TpmDeadline deadline = TpmDeadline::hardware,
                                             bool kill_switch = false) const {
    TpmDeviceOptions options;
    options.tcti = tpm_.tcti();
    options.deadline = deadline;
    options.kill_switch = kill_switch;
    return open_tpm_device(options);
  }

  [[nodiscard]] tpm::EnrolledTpm enrolled() const {
    return tpm::enrol({tpm_.tcti(), std::chrono::seconds(30)});
  }

  static std::shared_ptr<KeyScope> scope_of(Device& device, std::chrono::seconds left) {
    return device.open_scope({"task", "0123456789abcdef", BootClock::now() + left});
  }

  /// Evidence for a task that ends in `left`.
  static Evidence evidence_of(DeviceKey& key, std::chrono::seconds left) {
    Evidence evidence;
    evidence.task_id = "task";
    evidence.serial = "0123456789abcdef";
    evidence.deadline_unix_s = static_cast<std::uint64_t>(std::time(nullptr) + left.count());
    evidence.nonce = Bytes(16, 7);
    const auto challenge = [&](ByteView policy_digest) {
      evidence.policy_digest = to_bytes(policy_digest);
      return attestation_challenge({evidence.task_id, evidence.serial, evidence.deadline_unix_s,
                                    evidence.policy_digest, thumbprint(key.public_key())},
                                   evidence.nonce);
    };
    static_cast<attestation::DeviceEvidence&>(evidence) = key.attest(challenge);
    return evidence;
  }

  [[nodiscard]] attestation::Verified verify(const Evidence& evidence,
                                             bool software = false) const {
    attestation::Expectations expected;
    expected.nonce = evidence.nonce;
    expected.received_unix_s = static_cast<std::uint64_t>(std::time(nullptr));
    expected.software_deadline = software;
    attestation::Trust trust;
    trust.enrolled_public = enrolled().attestation_key_public;
    return attestation::verify(evidence, expected, trust);
  }

  Swtpm tpm_;
};

constexpr KeySpec kKinds[] = {{CKK_EC, 256}, {CKK_EC, 384}, {CKK_RSA, 2048}};

TEST_F(DeviceEvidenceTest, IsBelievedForEachKindOfKeyInBothModes) {
  for (const TpmDeadline deadline : {TpmDeadline::hardware, TpmDeadline::software}) {
    const auto device = open(deadline);
    const auto scope = scope_of(*device, std::chrono::minutes(10));
    for (const KeySpec& kind : kKinds) {
      const auto key = scope->generate(kind);
      const auto verified =
          verify(evidence_of(*key, std::chrono::minutes(10)), deadline == TpmDeadline::software);
      EXPECT_EQ(thumbprint(verified.key), thumbprint(key->public_key()));
      EXPECT_EQ(verified.chip_deadline_unix_s.has_value(), deadline == TpmDeadline::hardware);
      key->destroy();
    }
    device->close();
  }
}

TEST_F(DeviceEvidenceTest, ShowsTheKillSwitchWithAndWithoutTheChipsDeadline) {
  for (const TpmDeadline deadline : {TpmDeadline::hardware, TpmDeadline::software}) {
    const auto device = open(deadline, true);
    const auto key = scope_of(*device, std::chrono::minutes(10))->generate({CKK_EC, 256});
    const auto verified =
        verify(evidence_of(*key, std::chrono::minutes(10)), deadline == TpmDeadline::software);
    EXPECT_TRUE(verified.kill_switch);
    EXPECT_EQ(verified.chip_deadline_unix_s.has_value(), deadline == TpmDeadline::hardware);
    device->close();
  }
}

TEST_F(DeviceEvidenceTest, ComesFromManyKeysThatShareTheTpmsSlots) {
  const auto device = open();
  const auto scope = scope_of(*device, std::chrono::minutes(10));
  std::vector<std::unique_ptr<DeviceKey>> keys;
  for (int i = 0; i < 10; ++i) keys.push_back(scope->generate({CKK_EC, 256}));
  for (int round = 0; round < 2; ++round) {
    for (const auto& key : keys) {
      const auto verified = verify(evidence_of(*key, std::chrono::minutes(10)));
      EXPECT_EQ(thumbprint(verified.key), thumbprint(key->public_key()));
    }
  }
  device->close();
}

TEST_F(DeviceEvidenceTest, OfAShortTaskSaysWhenTheChipEndsTheKey) {
  const auto device = open();
  const auto key = scope_of(*device, std::chrono::seconds(60))->generate({CKK_EC, 256});
  const Evidence evidence = evidence_of(*key, std::chrono::seconds(60));
  const auto verified = verify(evidence);
  EXPECT_LE(*verified.chip_deadline_unix_s, evidence.deadline_unix_s + 3);
  // The same chip's deadline under a task that says it ends much earlier.
  EXPECT_THROW(static_cast<void>(verify(
                   evidence_of(*scope_of(*device, std::chrono::hours(2))->generate({CKK_EC, 256}),
                               std::chrono::seconds(60)))),
               attestation::Refused);
  device->close();
}

TEST_F(DeviceEvidenceTest, IsNotGivenOfAKeyThatIsDestroyedOrLost) {
  const auto device = open();
  const auto scope = scope_of(*device, std::chrono::minutes(10));
  const auto destroyed = scope->generate({CKK_EC, 256});
  destroyed->destroy();
  EXPECT_THROW(evidence_of(*destroyed, std::chrono::minutes(10)), Error);
  const auto lost = scope->generate({CKK_EC, 256});
  tpm_.reset();
  EXPECT_THROW(evidence_of(*lost, std::chrono::minutes(10)), Error);
  const auto made_after = scope->generate({CKK_EC, 256});
  EXPECT_NO_THROW(static_cast<void>(verify(evidence_of(*made_after, std::chrono::minutes(10)))));
  device->close();
}

TEST_F(DeviceEvidenceTest, AttestationKeyIsTheSameAfterEachReset) {
  const tpm::EnrolledTpm first = enrolled();
  tpm_.reset();
  const tpm::EnrolledTpm second = enrolled();
  EXPECT_EQ(first.attestation_key_public, second.attestation_key_public);
  EXPECT_EQ(first.endorsement_key_public, second.endorsement_key_public);
  EXPECT_THAT(first.endorsement_certificate, testing::IsEmpty());
  const Swtpm other;
  EXPECT_NE(tpm::enrol({other.tcti(), std::chrono::seconds(30)}).attestation_key_public,
            first.attestation_key_public);
}

TEST_F(DeviceEvidenceTest, LeavesNothingLoadedInTheTpm) {
  {
    const auto device = open();
    const auto key = scope_of(*device, std::chrono::minutes(10))->generate({CKK_EC, 256});
    static_cast<void>(evidence_of(*key, std::chrono::minutes(10)));
    static_cast<void>(enrolled());
    key->destroy();
    device->close();
  }
  tpm::Tpm tpm({tpm_.tcti(), std::chrono::seconds(30)});
  for (const TPM2_HANDLE kind : {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST,
                                 TPM2_ACTIVE_SESSION_FIRST, TPM2_PERSISTENT_FIRST}) {
    EXPECT_THAT(tpm.handles(kind), testing::IsEmpty());
  }
}

}  // namespace
}  // namespace mayfly::test
