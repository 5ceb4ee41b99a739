// Chip: signatures with its keys.
#include "device/tpm/chip.h"
#include "device/tpm/signature.h"

namespace mayfly::tpm {

std::size_t Chip::sign(ChipKey& key, const SignRequest& request, ByteSpan out) {
  const SignPlan plan = algorithms_->plan(key.spec, request);
  require_open();
  const TPMT_SIGNATURE signature = patiently([&] {
    require_usable(key);
    return try_sign(key, plan);
  });
  return write_signature(*key.public_key, request, signature, out);
}

TPMT_SIGNATURE Chip::try_sign(ChipKey& key, const SignPlan& plan) {
  for (int attempt = 1;; ++attempt) {
    try {
      const TPMT_SIGNATURE signature = sign_on_chip(key, plan);
      abandon_if_broken();  // after it was made
      return signature;
    } catch (const TpmError& error) {
      abandon_if_broken();
      if (link_ == nullptr || attempt == kMostAttempts || !may_be_displaced(error)) throw;
      link_->slots.unload(key.object);
    }
  }
}

TPMT_SIGNATURE Chip::sign_on_chip(ChipKey& key, const SignPlan& plan) {
  Tpm& tpm = link_->tpm;
  if (!key.policy && !options_.encrypt) {
    return tpm.sign(link_->slots.load(key.object), {TPM2_RH_PW, key.secret.view()}, plan.digest,
                    plan.scheme);
  }
  TPMT_SIGNATURE signature{};
  link_->session.use([&](TPMI_SH_AUTH_SESSION session) {
    const TPM2_HANDLE handle = link_->slots.load(key.object);
    SaltedSession* const salted = link_->session.salted();
    if (key.policy) {
      key.policy->satisfy(tpm, session,
                          salted == nullptr ? KeyPolicy::Value::sent : KeyPolicy::Value::proven);
    }
    signature = tpm.sign(handle, {session, key.secret.view(), salted, key.object.name}, plan.digest,
                         plan.scheme);
  });
  return signature;
}

}  // namespace mayfly::tpm
