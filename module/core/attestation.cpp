#include "core/attestation.h"

#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/task_binding.h"
#include "core/device_answer.h"
#include "core/task.h"
#include "credential/attestation/evidence.h"
#include "credential/attestation/refused.h"
#include "credential/attestation/verify.h"

namespace mayfly {
namespace {

/// Whatever goes wrong between the device and here is found before others see it.
void check_own(const std::string& file) {
  if (file.size() > attestation::kMaxEvidenceSize) {
    throw Error(CKR_DEVICE_ERROR,
                "the evidence is too long: tpm.attestation-certificates holds too much");
  }
  try {
    const attestation::Evidence evidence = attestation::evidence_from_json(file);
    attestation::Expectations expected;
    expected.nonce = evidence.nonce;
    expected.received_unix_s = unix_now_s();
    expected.software_deadline = true;
    attestation::Trust own;
    own.enrolled_public = evidence.attestation_key_public;
    static_cast<void>(attestation::verify(evidence, expected, own));
  } catch (const attestation::Refused& refused) {
    throw Error(CKR_DEVICE_ERROR,
                std::string("the device's evidence does not hold: ") + refused.what());
  }
}

attestation::DeviceEvidence ask(SessionKey& key, const DeviceKey::Challenge& challenge) {
  std::optional<SessionKey::Use> use;
  try {
    use.emplace(key);
  } catch (const Error& error) {  // it was destroyed meanwhile, and no operation has begun
    throw Error(CKR_KEY_HANDLE_INVALID, error.what());
  }
  try {
    return use->attest(challenge);
  } catch (const Error& error) {
    if (error.rv() == CKR_FUNCTION_NOT_SUPPORTED) throw;
    throw Error(told_to_client(error.rv()), error.what());
  }
}

}  // namespace

void check_nonce(ByteView nonce) {
  if (nonce.size() < attestation::kMinNonceSize || nonce.size() > attestation::kMaxNonceSize) {
    throw Error(CKR_ARGUMENTS_BAD, "a nonce for evidence has 8 to 64 bytes");
  }
}

std::string attest(const Task& task, SessionKey& key, ByteView nonce) {
  check_nonce(nonce);
  attestation::Evidence evidence;
  evidence.task_id = task.id();
  evidence.serial = task.serial();
  evidence.deadline_unix_s = task.deadline_unix_s();
  evidence.nonce = to_bytes(nonce);
  const auto challenge = [&](ByteView policy_digest) {
    evidence.policy_digest = to_bytes(policy_digest);
    return attestation_challenge({evidence.task_id, evidence.serial, evidence.deadline_unix_s,
                                  evidence.policy_digest, thumbprint(key.public_key())},
                                 nonce);
  };
  static_cast<attestation::DeviceEvidence&>(evidence) = ask(key, challenge);
  std::string file = attestation::to_json(evidence);
  check_own(file);
  return file;
}

}  // namespace mayfly
