#include "integration/attestation/attesting_tpm.h"

#include <stdexcept>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "base/task_binding.h"
#include "credential/attestation/tpm_structures.h"

namespace mayfly::test {
namespace {

using attestation::Evidence;
using attestation::Statement;

constexpr TPMA_OBJECT kMadeInside =
    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;

void check(TSS2_RC rc, const char* what) {
  if (rc != TSS2_RC_SUCCESS) {
    throw std::runtime_error(std::string(what) + ": " + Tss2_RC_Decode(rc));
  }
}

/// The result of an ESAPI call, freed by it.
template <typename T>
struct EsysFree {
  void operator()(T* object) const noexcept { Esys_Free(object); }
};
template <typename T>
using Owned = std::unique_ptr<T, EsysFree<T>>;

template <typename T, typename Marshal>
Bytes marshalled(const T& object, Marshal marshal) {
  Bytes bytes(4096);
  std::size_t size = 0;
  check(marshal(&object, bytes.data(), bytes.size(), &size), "marshalling");
  bytes.resize(size);
  return bytes;
}

Bytes public_bytes(const TPMT_PUBLIC& area) {
  return marshalled(area, Tss2_MU_TPMT_PUBLIC_Marshal);
}

template <typename Sized>
Sized sized(ByteView bytes) {
  Sized result{};
  result.size = static_cast<UINT16>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), result.buffer);
  return result;
}

Bytes big_endian(std::uint64_t value, int width) {
  Bytes bytes;
  for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  return bytes;
}

/// A public area of a kind of key, without scheme.
TPMT_PUBLIC key_template(Recipe::Key key, TPMA_OBJECT attributes) {
  TPMT_PUBLIC area{};
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = attributes;
  if (key == Recipe::Key::rsa2048) {
    area.type = TPM2_ALG_RSA;
    area.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
    area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
    area.parameters.rsaDetail.keyBits = 2048;
  } else {
    area.type = TPM2_ALG_ECC;
    area.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
    area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
    area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
    area.parameters.eccDetail.curveID =
        key == Recipe::Key::p256 ? TPM2_ECC_NIST_P256 : TPM2_ECC_NIST_P384;
  }
  return area;
}

TPMT_PUBLIC parent_template() {
  TPMT_PUBLIC area =
      key_template(Recipe::Key::p256, kMadeInside | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA |
                                          TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT);
  auto& symmetric = area.parameters.eccDetail.symmetric;
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = 128;
  symmetric.mode.aes = TPM2_ALG_CFB;
  return area;
}

TPMT_PUBLIC attestation_key_template(const Recipe& recipe) {
  const TPMA_OBJECT attributes = ((kMadeInside | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_RESTRICTED |
                                   TPMA_OBJECT_SIGN_ENCRYPT) |
                                  recipe.attestation_extra) &
                                 ~recipe.attestation_without;
  TPMT_PUBLIC area = key_template(recipe.attestation_key, attributes);
  if (recipe.attestation_key == Recipe::Key::rsa2048) {
    auto& scheme = area.parameters.rsaDetail.scheme;
    scheme.scheme = recipe.rsa_pss ? TPM2_ALG_RSAPSS : TPM2_ALG_RSASSA;
    scheme.details.anySig.hashAlg = TPM2_ALG_SHA256;
  } else {
    auto& scheme = area.parameters.eccDetail.scheme;
    scheme.scheme = TPM2_ALG_ECDSA;
    scheme.details.ecdsa.hashAlg =
        recipe.attestation_key == Recipe::Key::p256 ? TPM2_ALG_SHA256 : TPM2_ALG_SHA384;
  }
  return area;
}

attestation::PolicyClaim claim_for(const Recipe& recipe, const TPMS_TIME_INFO& now) {
  attestation::PolicyClaim claim;
  if (recipe.hardware_deadline) {
    const std::uint64_t left = recipe.chip_ms_left.value_or(recipe.seconds_left * 1000);
    claim.deadline = {now.time + left, now.clockInfo.resetCount + recipe.wrong_resets,
                      now.clockInfo.restartCount};
  }
  return claim;
}

}  // namespace

AttestingTpm::AttestingTpm(const std::string& tcti) {
  check(Tss2_TctiLdr_Initialize(tcti.c_str(), &tcti_), "Tss2_TctiLdr_Initialize");
  check(Esys_Initialize(&esys_, tcti_, nullptr), "Esys_Initialize");
}

AttestingTpm::~AttestingTpm() {
  Esys_Finalize(&esys_);
  Tss2_TctiLdr_Finalize(&tcti_);
}

TPMS_TIME_INFO AttestingTpm::now() {
  TPMS_TIME_INFO* time = nullptr;
  check(Esys_ReadClock(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &time), "TPM2_ReadClock");
  return *Owned<TPMS_TIME_INFO>(time);
}

AttestingTpm::Object AttestingTpm::make_primary(ESYS_TR hierarchy, const TPMT_PUBLIC& area) {
  const TPM2B_PUBLIC wanted{0, area};
  const TPM2B_SENSITIVE_CREATE sensitive{};
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION pcrs{};
  ESYS_TR handle = ESYS_TR_NONE;
  TPM2B_PUBLIC* made = nullptr;
  check(
      Esys_CreatePrimary(esys_, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                         &wanted, &outside, &pcrs, &handle, &made, nullptr, nullptr, nullptr),
      "TPM2_CreatePrimary");
  return {esys_, handle, public_bytes(Owned<TPM2B_PUBLIC>(made)->publicArea)};
}

AttestingTpm::Object AttestingTpm::make_key(const Recipe& recipe, ESYS_TR parent,
                                            const Bytes& policy) {
  TPMA_OBJECT attributes = kMadeInside | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT;
  if (!recipe.hardware_deadline) attributes |= TPMA_OBJECT_USERWITHAUTH;
  TPMT_PUBLIC area =
      key_template(recipe.key, (attributes | recipe.key_extra) & ~recipe.key_without);
  area.authPolicy = sized<TPM2B_DIGEST>(policy);
  TPM2B_SENSITIVE_CREATE sensitive{};
  if ((area.objectAttributes & TPMA_OBJECT_SENSITIVEDATAORIGIN) == 0) {
    sensitive.sensitive.data = sized<TPM2B_SENSITIVE_DATA>(Bytes(32, 0x11));
  }
  const TPM2B_TEMPLATE encoded = sized<TPM2B_TEMPLATE>(public_bytes(area));
  ESYS_TR handle = ESYS_TR_NONE;
  TPM2B_PRIVATE* secret = nullptr;
  TPM2B_PUBLIC* made = nullptr;
  check(Esys_CreateLoaded(esys_, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                          &encoded, &handle, &secret, &made),
        "TPM2_CreateLoaded");
  const Owned<TPM2B_PRIVATE> freed(secret);
  return {esys_, handle, public_bytes(Owned<TPM2B_PUBLIC>(made)->publicArea)};
}

Statement AttestingTpm::certify(ESYS_TR key, ESYS_TR signer, const Bytes& data) {
  const TPM2B_DATA qualifying = sized<TPM2B_DATA>(data);
  TPMT_SIG_SCHEME scheme{};
  scheme.scheme = TPM2_ALG_NULL;
  TPM2B_ATTEST* info = nullptr;
  TPMT_SIGNATURE* signature = nullptr;
  check(Esys_Certify(esys_, key, signer, ESYS_TR_PASSWORD, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                     &qualifying, &scheme, &info, &signature),
        "TPM2_Certify");
  const Owned<TPM2B_ATTEST> owned(info);
  return {Bytes(info->attestationData, info->attestationData + info->size),
          marshalled(*Owned<TPMT_SIGNATURE>(signature), Tss2_MU_TPMT_SIGNATURE_Marshal)};
}

Statement AttestingTpm::state_time(ESYS_TR signer, const Bytes& data) {
  const TPM2B_DATA qualifying = sized<TPM2B_DATA>(data);
  TPMT_SIG_SCHEME scheme{};
  scheme.scheme = TPM2_ALG_NULL;
  TPM2B_ATTEST* info = nullptr;
  TPMT_SIGNATURE* signature = nullptr;
  check(Esys_GetTime(esys_, ESYS_TR_RH_ENDORSEMENT, signer, ESYS_TR_PASSWORD, ESYS_TR_PASSWORD,
                     ESYS_TR_NONE, &qualifying, &scheme, &info, &signature),
        "TPM2_GetTime");
  const Owned<TPM2B_ATTEST> owned(info);
  return {Bytes(info->attestationData, info->attestationData + info->size),
          marshalled(*Owned<TPMT_SIGNATURE>(signature), Tss2_MU_TPMT_SIGNATURE_Marshal)};
}

Bytes AttestingTpm::trial_policy(const attestation::PolicyClaim& claim, Recipe::Policy policy) {
  ESYS_TR session = ESYS_TR_NONE;
  TPMT_SYM_DEF symmetric{};
  symmetric.algorithm = TPM2_ALG_NULL;
  check(Esys_StartAuthSession(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              ESYS_TR_NONE, nullptr, TPM2_SE_TRIAL, &symmetric, TPM2_ALG_SHA256,
                              &session),
        "TPM2_StartAuthSession");
  const auto compare_time = [&](const Bytes& operand, UINT16 offset, TPM2_EO operation) {
    const TPM2B_OPERAND value = sized<TPM2B_OPERAND>(operand);
    check(Esys_PolicyCounterTimer(esys_, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &value,
                                  offset, operation),
          "TPM2_PolicyCounterTimer");
  };
  if (claim.kill_switch) {
    ESYS_TR index = ESYS_TR_NONE;
    check(Esys_TR_FromTPMPublic(esys_, next_index_ - 1, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                &index),
          "Esys_TR_FromTPMPublic");
    const TPM2B_OPERAND value = sized<TPM2B_OPERAND>(big_endian(claim.kill_switch->value, 8));
    check(Esys_PolicyNV(esys_, index, index, session, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                        &value, 0, TPM2_EO_EQ),
          "TPM2_PolicyNV");
    check(Esys_TR_Close(esys_, &index), "Esys_TR_Close");
  }
  compare_time(
      big_endian(claim.deadline->time_limit_ms, 8), policy == Recipe::Policy::by_clock ? 8 : 0,
      policy == Recipe::Policy::after_the_time ? TPM2_EO_UNSIGNED_GT : TPM2_EO_UNSIGNED_LT);
  if (policy != Recipe::Policy::without_resets) {
    Bytes counts = big_endian(claim.deadline->resets, 4);
    const Bytes restarts = big_endian(claim.deadline->restarts, 4);
    counts.insert(counts.end(), restarts.begin(), restarts.end());
    compare_time(counts, 16, TPM2_EO_EQ);
  }
  if (policy != Recipe::Policy::without_password) {
    check(Esys_PolicyPassword(esys_, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE),
          "TPM2_PolicyPassword");
  }
  TPM2B_DIGEST* digest = nullptr;
  check(Esys_PolicyGetDigest(esys_, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest),
        "TPM2_PolicyGetDigest");
  const Owned<TPM2B_DIGEST> owned(digest);
  check(Esys_FlushContext(esys_, session), "TPM2_FlushContext");
  return {digest->buffer, digest->buffer + digest->size};
}

attestation::KillSwitch AttestingTpm::make_counter() {
  TPM2B_NV_PUBLIC area{};
  area.nvPublic.nvIndex = next_index_++;
  area.nvPublic.nameAlg = TPM2_ALG_SHA256;
  area.nvPublic.attributes = (TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_AUTHREAD |
                             TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA;
  area.nvPublic.dataSize = 8;
  const TPM2B_AUTH none{};
  ESYS_TR index = ESYS_TR_NONE;
  check(Esys_NV_DefineSpace(esys_, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                            &none, &area, &index),
        "TPM2_NV_DefineSpace");
  check(Esys_NV_Increment(esys_, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE),
        "TPM2_NV_Increment");
  TPM2B_NV_PUBLIC* made = nullptr;
  check(Esys_NV_ReadPublic(esys_, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &made, nullptr),
        "TPM2_NV_ReadPublic");
  TPM2B_MAX_NV_BUFFER* content = nullptr;
  check(Esys_NV_Read(esys_, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, 8, 0,
                     &content),
        "TPM2_NV_Read");
  const Owned<TPM2B_MAX_NV_BUFFER> owned(content);
  attestation::KillSwitch kill_switch;
  kill_switch.index_public =
      marshalled(Owned<TPM2B_NV_PUBLIC>(made)->nvPublic, Tss2_MU_TPMS_NV_PUBLIC_Marshal);
  for (std::size_t i = 0; i < 8; ++i) {
    kill_switch.value = kill_switch.value << 8 | content->buffer[i];
  }
  check(Esys_TR_Close(esys_, &index), "Esys_TR_Close");
  return kill_switch;
}

Evidence AttestingTpm::make(const Recipe& recipe) {
  Evidence evidence;
  evidence.task_id = recipe.task_id;
  evidence.serial = "0123456789abcdef";
  evidence.deadline_unix_s = kMadeAt + recipe.seconds_left;
  evidence.nonce = recipe.nonce;
  evidence.policy = claim_for(recipe, now());
  if (recipe.kill_switch) evidence.policy.kill_switch = make_counter();
  const Bytes policy =
      recipe.hardware_deadline ? trial_policy(evidence.policy, recipe.policy) : Bytes{};
  evidence.policy_digest = policy.empty() ? Bytes(kBindingDigestSize, 0) : policy;

  const Object parent = make_primary(recipe.key_hierarchy, parent_template());
  const Object key = make_key(recipe, parent.handle(), policy);
  const Object signer =
      make_primary(recipe.attestation_hierarchy, attestation_key_template(recipe));
  evidence.key_public = key.public_area();
  evidence.parent_public = parent.public_area();
  evidence.attestation_key_public = signer.public_area();

  const TaskBinding binding{
      evidence.task_id, evidence.serial, evidence.deadline_unix_s, evidence.policy_digest,
      thumbprint(attestation::parse_public_area(key.public_area(), "the key's public area").key)};
  evidence.certification =
      certify(key.handle(), signer.handle(), attestation_challenge(binding, evidence.nonce));
  if (recipe.hardware_deadline) {
    const Bytes nonce = recipe.time_nonce.value_or(evidence.nonce);
    evidence.time = state_time(signer.handle(), attestation_challenge(binding, nonce));
  }
  return evidence;
}

}  // namespace mayfly::test
