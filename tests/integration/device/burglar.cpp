#include "integration/device/burglar.h"

#include "device/tpm/signature.h"

namespace mayfly::test {

std::size_t Burglar::keys() const {
  const std::scoped_lock lock(chip_.mutex_);
  return chip_.keys_.size();
}

std::size_t Burglar::strangers_loaded() {
  const std::scoped_lock lock(chip_.mutex_);
  const std::size_t known = chip_.link_ == nullptr ? 0 : chip_.link_->slots.loaded();
  return tpm_.handles(TPM2_HR_TRANSIENT).size() - known;
}

std::vector<LootedKey> Burglar::loot() const {
  const std::scoped_lock lock(chip_.mutex_);
  std::vector<LootedKey> taken;
  for (const tpm::ChipKey* key : chip_.keys_) {
    taken.push_back(
        {key->object.context, to_bytes(key->secret.view()), key->policy, key->public_key.value()});
  }
  return taken;
}

tpm::Traffic Burglar::traffic() const {
  const std::scoped_lock lock(chip_.mutex_);
  return chip_.link_ == nullptr ? tpm::Traffic() : chip_.link_->tpm.traffic();
}

Bytes Burglar::sign(const LootedKey& key, ByteView digest) {
  const TPM2_HANDLE handle = tpm_.context_load(key.context);
  const TPMI_SH_POLICY session = key.policy ? tpm_.start_policy_session() : 0;
  const auto tidy_up = [&] {
    tpm_.flush_context(handle);
    if (session != 0) tpm_.flush_context(session);
  };
  Bytes signature(key.public_key.signature_size());
  try {
    if (key.policy) key.policy->satisfy(tpm_, session);
    TPMT_SIG_SCHEME scheme{};
    scheme.scheme = TPM2_ALG_ECDSA;
    scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
    const TPMT_SIGNATURE made =
        tpm_.sign(handle, {key.policy ? session : TPM2_RH_PW, key.secret}, digest, scheme);
    const SignRequest request{{Scheme::ecdsa, Hash::sha256}, digest};
    tpm::write_signature(key.public_key, request, made, signature);
  } catch (...) {
    tidy_up();
    throw;
  }
  tidy_up();
  return signature;
}

}  // namespace mayfly::test
