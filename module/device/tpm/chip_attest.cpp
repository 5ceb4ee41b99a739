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
  return patiently([&] {
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
  });
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
  if (!options_.encrypt) return attest_loaded(key, challenge, nullptr);
  // A key is certified by its authorisation value, without its policy: that takes a session of
  // another type, in the place of the one that is kept.
  link_->session.flush();
  PolicySession session(link_->tpm, shared_, nullptr, link_->protection(options_, TPM2_SE_HMAC));
  attestation::DeviceEvidence evidence;
  try {
    session.use(
        [&](TPMI_SH_AUTH_SESSION) { evidence = attest_loaded(key, challenge, session.salted()); });
    session.flush();
  } catch (...) {
    if (auto left = session.leave()) left_sessions_.push_back(std::move(*left));
    throw;
  }
  return evidence;
}

attestation::DeviceEvidence Chip::attest_loaded(ChipKey& key, const DeviceKey::Challenge& challenge,
                                                SaltedSession* proof) {
  require_attestation_key();
  SavedObject& signer = link_->attestation_key;
  const TPM2_HANDLE handle = link_->slots.load(key.object);
  if (signer.handle == 0) {
    throw Error(CKR_DEVICE_MEMORY, "the TPM has no room for a key and its attestation key at once");
  }
  attestation::DeviceEvidence evidence;
  evidence.key_public = public_bytes(link_->tpm.read_public(handle).public_area.publicArea);
  evidence.parent_public = public_bytes(link_->parent_area);
  evidence.attestation_key_public = link_->attestation_key_public;
  evidence.certificates = options_.attestation_certificates;
  if (key.policy) evidence.policy = claim_of(link_->tpm, *key.policy);
  const Bytes question = challenge(key.policy ? key.policy->digest() : Bytes(kDigest, 0));
  evidence.certification =
      certify(link_->tpm, handle, {TPM2_RH_PW, key.secret.view(), proof, key.object.name},
              signer.handle, signer.name, question);
  if (evidence.policy.deadline) evidence.time = state_time(link_->tpm, signer.handle, question);
  // Else it would stay behind when this process is killed: nobody could tell it from others' keys.
  link_->slots.unload(signer);
  return evidence;
}

}  // namespace mayfly::tpm
