#include "tools/live_key.h"

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/random.h"
#include "credential/attestation/refused.h"
#include "credential/attestation/verify.h"
#include "credential/proof_of_possession.h"
#include "credential/x509/signing.h"
#include "tools/failure.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

constexpr std::size_t kNonceSize = 32;
constexpr std::size_t kMaxTrustFile = 1024 * 1024;

/// A way of signing that the task's policy leaves to the key.
SignatureScheme usable_scheme(const TaskToken& token, const KeySpec& spec) {
  const SignatureScheme usual = x509::scheme_of(spec);
  if (spec.type != CKK_RSA || token.can_sign(usual)) return usual;
  return {Scheme::rsa_pss, Hash::sha256, Hash::sha256, digest_size(Hash::sha256)};
}

/// The deadline that the TPM's evidence is bound to.
std::uint64_t check_evidence(const TaskToken& token, const Config& config, const LiveKey& live) {
  std::array<std::uint8_t, kNonceSize> nonce{};
  fill_random(nonce, "a nonce");
  const auto evidence = token.attest(live.key, nonce);
  if (!evidence) {
    throw Failure(kRefused,
                  "the task's device gives no evidence of its keys, which issuer.attestation-key "
                  "asks for");
  }
  attestation::Expectations expected;
  expected.nonce = to_bytes(nonce);
  expected.received_unix_s = unix_now_s();
  expected.task_id = live.task_id;
  expected.software_deadline = config.tpm.software_deadline;
  try {
    const attestation::Trust trust = attestation::trust_in_key_file(
        read_whole_file(config.issuer.attestation_key.string(), kMaxTrustFile));
    const attestation::Verified verified =
        attestation::verify(attestation::evidence_from_json(*evidence), expected, trust);
    if (verified.serial != live.serial ||
        verified.key.subject_public_key_info() != live.key.public_key.subject_public_key_info()) {
      throw Failure(kRefused, "the device's evidence is of another key or task");
    }
    return verified.deadline_unix_s;
  } catch (const Error& error) {
    throw Failure(kRefused, std::string("the device's evidence does not hold: ") + error.what());
  }
}

std::uint64_t deadline_of(const TaskToken& token) {
  std::optional<std::uint64_t> deadline;
  try {
    deadline = token.deadline_unix_s();
  } catch (const Error& error) {
    throw Failure(kRefused, std::string("the task is over: ") + error.what());
  }
  if (!deadline) throw Failure(kRefused, "the task is over");
  return *deadline;
}

}  // namespace

LiveKey find_live_key(const TaskToken& token, const Config& config, const std::string& wanted,
                      std::optional<std::chrono::seconds> valid_for) {
  LiveKey live{token.find_key(wanted), token.task_id(), token.serial(), 0, 0, 0};
  try {
    credential::prove_possession(*token.signer(live.key),
                                 usable_scheme(token, live.key.public_key.spec()));
  } catch (const Error& error) {
    throw Failure(kRefused, error.what());
  }
  live.now_unix_s = unix_now_s();
  const auto longest = std::min(config.issuer.max_life, valid_for.value_or(config.issuer.max_life));
  live.deadline_unix_s = deadline_of(token);
  live.end_unix_s =
      std::min(live.deadline_unix_s, live.now_unix_s + static_cast<std::uint64_t>(longest.count()));
  if (!config.issuer.attestation_key.empty()) {
    live.end_unix_s = std::min(live.end_unix_s, check_evidence(token, config, live));
  }
  return live;
}

void require_open(const TaskToken& token) { static_cast<void>(deadline_of(token)); }

}  // namespace mayfly::tools
