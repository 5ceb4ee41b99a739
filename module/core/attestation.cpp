#include "core/attestation.h"

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
void check_own(const attestation::Evidence& evidence) {
  attestation::Expectations expected;
  expected.nonce = evidence.nonce;
  expected.received_unix_s = unix_now_s();
  expected.software_deadline = true;
  attestation::Trust own;
  own.enrolled_public = evidence.attestation_key_public;
  try {
    static_cast<void>(attestation::verify(evidence, expected, own));
  } catch (const attestation::Refused& refused) {
    throw Error(CKR_DEVICE_ERROR,
                std::string("the device's evidence does not hold: ") + refused.what());
  }
}

attestation::DeviceEvidence ask(SessionKey& key, const DeviceKey::Challenge& challenge) {
  SessionKey::Use use(key);
  try {
    return use.attest(challenge);
  } catch (const Error& error) {
    if (error.rv() == CKR_FUNCTION_NOT_SUPPORTED) throw;
    throw Error(told_to_client(error.rv()), error.what());
  }
}

}  // namespace

std::string attest(const Task& task, SessionKey& key, ByteView nonce) {
  if (nonce.size() < attestation::kMinNonceSize || nonce.size() > attestation::kMaxNonceSize) {
    throw Error(CKR_ARGUMENTS_BAD, "a nonce for evidence has 8 to 64 bytes");
  }
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
  check_own(evidence);
  return attestation::to_json(evidence);
}

}  // namespace mayfly
