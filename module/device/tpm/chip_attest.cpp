// Chip: evidence of its keys.
#include "device/tpm/attestation.h"
#include "device/tpm/chip.h"
#include "device/tpm/public_area.h"
#include "device/tpm/sapi.h"

namespace mayfly::tpm {
namespace {

constexpr std::size_t kDigest = 32;

attestation::PolicyClaim claim_of(Tpm& tpm, const KeyPolicy& policy) {
  attestation::PolicyClaim claim;
  claim.deadline = policy.deadline_claim();
  if (policy.counter()) {
    claim.kill_switch.emplace();
    claim.kill_switch->index_public = counter_public(tpm, policy.counter()->index);
    for (const std::uint8_t byte : policy.counter()->value) {
      claim.kill_switch->value = claim.kill_switch->value << 8 | byte;
    }
  }
  return claim;
}

}  // namespace

attestation::DeviceEvidence Chip::attest(ChipKey& key, const DeviceKey::Challenge& challenge) {
  const std::scoped_lock lock(mutex_);
  require_usable(key);
  for (int attempt = 1;; ++attempt) {
    try {
      return attest_on_chip(key, challenge);
    } catch (const TpmError& error) {
      abandon_if_broken();
      if (link_ == nullptr || attempt == kMostAttempts || !may_be_displaced(error)) throw;
      link_->slots.unload(key.object);
      link_->slots.unload(link_->attestation_key);
    }
  }
}

/// Loads the attestation key.
void Chip::require_attestation_key() {
  SavedObject& signer = link_->attestation_key;
  if (!signer.context.empty()) {
    (void)link_->slots.load(signer);
    return;
  }
  link_->slots.add(
      signer,
      [&] {
        const Tpm::Created made = make_attestation_key(link_->tpm);
        signer.name = to_bytes(view(made.name));
        link_->attestation_key_public = public_bytes(made.public_area.publicArea);
        return made.handle;
      },
      nullptr);
  signer.context = link_->tpm.context_save(signer.handle);
}

attestation::DeviceEvidence Chip::attest_on_chip(ChipKey& key,
                                                 const DeviceKey::Challenge& challenge) {
  require_attestation_key();
  SavedObject& signer = link_->attestation_key;
  const TPM2_HANDLE handle = link_->slots.load(key.object);
  if (signer.handle == 0) {
    throw Error(CKR_DEVICE_MEMORY, "the TPM has no room for a key and its attestation key at once");
  }
  attestation::DeviceEvidence evidence;
  evidence.key_public = public_bytes(link_->tpm.read_public(handle).public_area.publicArea);
  evidence.parent_public = link_->parent_public;
  evidence.attestation_key_public = link_->attestation_key_public;
  evidence.certificates = options_.attestation_certificates;
  if (key.policy) evidence.policy = claim_of(link_->tpm, *key.policy);
  const Bytes question = challenge(key.policy ? key.policy->digest() : Bytes(kDigest, 0));
  evidence.certification = certify(link_->tpm, handle, key.secret.view(), signer.handle, question);
  if (evidence.policy.deadline) evidence.time = state_time(link_->tpm, signer.handle, question);
  // Else it would stay behind when this process is killed: nobody could tell it from others' keys.
  link_->slots.unload(signer);
  return evidence;
}

}  // namespace mayfly::tpm
