#include "credential/attestation/verify.h"

#include "base/task_binding.h"
#include "credential/attestation/checks.h"
#include "credential/attestation/refused.h"

namespace mayfly::attestation {
namespace {

void check_expected(const Evidence& evidence, const Expectations& expected) {
  if (evidence.nonce != expected.nonce) throw Refused("nonce", "is not the one that was given out");
  if (!expected.task_id.empty() && evidence.task_id != expected.task_id) {
    throw Refused("task", "the evidence is for another task");
  }
  if (!expected.software_deadline && !evidence.policy.deadline) {
    throw Refused("policy", "the chip does not enforce the key's deadline, which is asked for");
  }
  if (expected.kill_switch && !evidence.policy.kill_switch) {
    throw Refused("policy", "the key has no kill switch, which is asked for");
  }
  if (evidence.deadline_unix_s <= expected.received_unix_s) {
    throw Refused("deadline", "the task was over when the evidence came");
  }
}

/// @return when the chip refuses the key at the latest: the statement was made before the evidence
///         came, so no later than what is left of its time counted from then.
std::uint64_t check_time(const Evidence& evidence, const Expectations& expected,
                         const PublicArea& attestation_key, ByteView challenge) {
  const HardwareDeadline& deadline = *evidence.policy.deadline;
  if (!evidence.time) throw Refused("time", "the TPM's statement of its time is missing");
  const TimeInfo time = parse_time_info(evidence.time->info);
  check_signature(*evidence.time, attestation_key);
  check_header(time, attestation_key, challenge);
  check_clock(time.clock, deadline);
  check_clock(time.attested_clock, deadline);
  if (time.time_ms >= deadline.time_limit_ms) {
    throw Refused("time", "the chip's deadline for the key was over");
  }
  const std::uint64_t left_s = (deadline.time_limit_ms - time.time_ms + 999) / 1000;
  const std::uint64_t end = expected.received_unix_s + left_s;
  if (end > evidence.deadline_unix_s + kDeadlineTolerance_s) {
    throw Refused("time",
                  "the chip would let the key sign for " + std::to_string(left_s) +
                      " s, which is past the task's deadline; if the evidence came earlier, say "
                      "when");
  }
  return end;
}

}  // namespace

Verified verify(const Evidence& evidence, const Expectations& expected, const Trust& trust) {
  check_expected(evidence, expected);
  const PublicArea attestation_key =
      parse_public_area(evidence.attestation_key_public, "the attestation key's public area");
  check_attestation_key(attestation_key);
  check_trust(attestation_key, evidence.attestation_key_public, evidence.certificates, trust,
              expected.received_unix_s);

  const PublicArea key = parse_public_area(evidence.key_public, "the key's public area");
  const PublicArea parent = parse_public_area(evidence.parent_public, "the parent's public area");
  const CertifyInfo info = parse_certify_info(evidence.certification.info);
  check_signature(evidence.certification, attestation_key);
  const Bytes challenge =
      attestation_challenge({evidence.task_id, evidence.serial, evidence.deadline_unix_s,
                             evidence.policy_digest, thumbprint(key.key)},
                            evidence.nonce);
  check_header(info, attestation_key, challenge);
  check_parent(parent);
  check_names(info, key, parent);
  const bool hardware = evidence.policy.deadline.has_value();
  check_key_attributes(key, hardware || evidence.policy.kill_switch.has_value());
  check_policy(key, evidence.policy, evidence.policy_digest);

  Verified result{key.key,
                  evidence.task_id,
                  evidence.serial,
                  evidence.deadline_unix_s,
                  std::nullopt,
                  evidence.policy.kill_switch.has_value(),
                  info.firmware_version,
                  thumbprint(attestation_key.key)};
  if (hardware) {
    check_clock(info.clock, *evidence.policy.deadline);
    result.chip_deadline_unix_s = check_time(evidence, expected, attestation_key, challenge);
  } else if (evidence.time) {
    throw Refused("time", "a statement of time is there that no claim needs");
  }
  return result;
}

}  // namespace mayfly::attestation
