#include "device/tpm/algorithms.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace mayfly::tpm {
namespace {

constexpr std::array<KeySpec, 6> kSpecs = {{{CKK_EC, 256},
                                            {CKK_EC, 384},
                                            {CKK_EC, 521},
                                            {CKK_RSA, 2048},
                                            {CKK_RSA, 3072},
                                            {CKK_RSA, 4096}}};
constexpr std::array<Hash, 3> kHashes = {Hash::sha256, Hash::sha384, Hash::sha512};

/// The hash that digests are brought to the length of, for a curve: none is longer than the curve.
Hash widest_hash(const KeySpec& spec) noexcept {
  if (spec.bits == 256) return Hash::sha256;
  return spec.bits == 384 ? Hash::sha384 : Hash::sha512;
}

std::set<TPM2_ALG_ID> read_algorithms(Tpm& tpm) {
  std::set<TPM2_ALG_ID> found;
  std::uint32_t first = 0;
  while (true) {
    const Tpm::Capability answer = tpm.get_capability(TPM2_CAP_ALGS, first, TPM2_MAX_CAP_ALGS);
    const TPML_ALG_PROPERTY& some = answer.data.algorithms;
    for (UINT32 i = 0; i < some.count; ++i) found.insert(some.algProperties[i].alg);
    if (!answer.more || some.count == 0) return found;
    const std::uint32_t next = *found.rbegin() + 1U;
    if (next <= first) tpm.run(TSS2_SYS_RC_MALFORMED_RESPONSE, "TPM2_GetCapability");
    first = next;
  }
}

[[noreturn]] void refuse_length(const SignRequest& request) {
  throw Error(CKR_DATA_LEN_RANGE, "the TPM can't sign " + std::to_string(request.input.size()) +
                                      " bytes in this way: it takes a digest");
}

}  // namespace

TPM2_ALG_ID algorithm_of(Hash hash) noexcept {
  switch (hash) {
    case Hash::sha256:
      return TPM2_ALG_SHA256;
    case Hash::sha384:
      return TPM2_ALG_SHA384;
    case Hash::sha512:
      return TPM2_ALG_SHA512;
    default:
      return TPM2_ALG_NULL;
  }
}

TPM2_ECC_CURVE curve_of(const KeySpec& spec) noexcept {
  if (spec.type != CKK_EC) return TPM2_ECC_NONE;
  switch (spec.bits) {
    case 256:
      return TPM2_ECC_NIST_P256;
    case 384:
      return TPM2_ECC_NIST_P384;
    case 521:
      return TPM2_ECC_NIST_P521;
    default:
      return TPM2_ECC_NONE;
  }
}

TPMT_PUBLIC_PARMS signing_parameters(const KeySpec& spec) noexcept {
  TPMT_PUBLIC_PARMS wanted{};
  if (spec.type == CKK_RSA) {
    wanted.type = TPM2_ALG_RSA;
    TPMS_RSA_PARMS& rsa = wanted.parameters.rsaDetail;
    rsa.symmetric.algorithm = TPM2_ALG_NULL;
    rsa.scheme.scheme = TPM2_ALG_NULL;
    rsa.keyBits = static_cast<TPM2_KEY_BITS>(spec.bits);
    return wanted;
  }
  wanted.type = TPM2_ALG_ECC;
  TPMS_ECC_PARMS& ecc = wanted.parameters.eccDetail;
  ecc.symmetric.algorithm = TPM2_ALG_NULL;
  ecc.scheme.scheme = TPM2_ALG_NULL;
  ecc.curveID = curve_of(spec);
  ecc.kdf.scheme = TPM2_ALG_NULL;
  return wanted;
}

Algorithms::Algorithms(Tpm& tpm) : algorithms_(read_algorithms(tpm)) {
  for (const KeySpec& spec : kSpecs) {
    const bool usable = spec.type == CKK_RSA ? has(TPM2_ALG_RSASSA) || has(TPM2_ALG_RSAPSS)
                                             : has(TPM2_ALG_ECDSA) && has_hash(widest_hash(spec));
    if (usable && tpm.test_parms(signing_parameters(spec))) specs_.push_back(spec);
  }
}

bool Algorithms::has_hash(Hash hash) const noexcept {
  const TPM2_ALG_ID algorithm = algorithm_of(hash);
  return algorithm != TPM2_ALG_NULL && has(algorithm);
}

CK_RV Algorithms::obstacle(const KeySpec& spec) const noexcept {
  if (std::ranges::find(specs_, spec) != specs_.end()) return CKR_OK;
  const bool has_type = std::ranges::any_of(
      specs_, [&spec](const KeySpec& known) { return known.type == spec.type; });
  if (!has_type) return CKR_MECHANISM_INVALID;
  return spec.type == CKK_RSA ? CKR_KEY_SIZE_RANGE : CKR_CURVE_NOT_SUPPORTED;
}

SignInput Algorithms::sign_input(Scheme scheme, Hash hash) const noexcept {
  const bool has_some_hash = std::ranges::any_of(kHashes, [this](Hash h) { return has_hash(h); });
  bool possible = false;
  switch (scheme) {
    case Scheme::ecdsa:
      possible = has(TPM2_ALG_ECDSA);
      break;
    case Scheme::rsa_pkcs1:
      possible = has(TPM2_ALG_RSASSA) && (hash == Hash::none ? has_some_hash : has_hash(hash));
      break;
    case Scheme::rsa_pss:
      possible = has(TPM2_ALG_RSAPSS) && has_hash(hash);
      break;
    case Scheme::eddsa:
      break;
  }
  return possible ? SignInput::digest : SignInput::unsupported;
}

SignPlan Algorithms::plan(const KeySpec& key, const SignRequest& request) const {
  const SignatureScheme& scheme = request.scheme;
  const bool for_rsa = scheme.scheme == Scheme::rsa_pkcs1 || scheme.scheme == Scheme::rsa_pss;
  if (for_rsa != (key.type == CKK_RSA) ||
      sign_input(scheme.scheme, scheme.hash) == SignInput::unsupported) {
    throw Error(CKR_MECHANISM_INVALID, "the TPM can't sign so with a key of this kind");
  }
  if (scheme.hash != Hash::none && request.input.size() != digest_size(scheme.hash)) {
    refuse_length(request);
  }
  if (scheme.scheme == Scheme::ecdsa) return plan_ecdsa(key, request);
  return scheme.scheme == Scheme::rsa_pkcs1 ? plan_pkcs1(request) : plan_pss(request);
}

SignPlan Algorithms::plan_ecdsa(const KeySpec& key, const SignRequest& request) const {
  const Hash hash = widest_hash(key);
  const std::size_t width = digest_size(hash);
  const std::size_t whole_bytes = key.bits / 8;  // a longer digest is cut within a byte on P-521
  ByteView digest = request.input;
  if (digest.size() > width && width == whole_bytes) digest = digest.first(width);
  if (digest.empty() || digest.size() > width) refuse_length(request);
  SignPlan plan;
  plan.scheme.scheme = TPM2_ALG_ECDSA;
  plan.scheme.details.ecdsa.hashAlg = algorithm_of(hash);
  plan.digest.assign(width - digest.size(), 0);
  plan.digest.insert(plan.digest.end(), digest.begin(), digest.end());
  return plan;
}

SignPlan Algorithms::plan_pkcs1(const SignRequest& request) const {
  SignPlan plan;
  plan.scheme.scheme = TPM2_ALG_RSASSA;
  if (request.scheme.hash != Hash::none) {
    plan.scheme.details.rsassa.hashAlg = algorithm_of(request.scheme.hash);
    plan.digest = to_bytes(request.input);
    return plan;
  }
  for (const Hash hash : kHashes) {
    const ByteView prefix = digest_info_prefix(hash);
    if (!has_hash(hash) || request.input.size() != prefix.size() + digest_size(hash)) continue;
    if (!equal(request.input.first(prefix.size()), prefix)) continue;
    plan.scheme.details.rsassa.hashAlg = algorithm_of(hash);
    plan.digest = to_bytes(request.input.subspan(prefix.size()));
    return plan;
  }
  throw Error(CKR_DATA_INVALID,
              "the TPM signs PKCS#1 v1.5 over a DigestInfo of SHA-256, SHA-384 or SHA-512 only, as "
              "far as it has these hashes");
}

SignPlan Algorithms::plan_pss(const SignRequest& request) const {
  const SignatureScheme& scheme = request.scheme;
  check_parameters(scheme);
  SignPlan plan;
  plan.scheme.scheme = TPM2_ALG_RSAPSS;
  plan.scheme.details.rsapss.hashAlg = algorithm_of(scheme.hash);
  plan.digest = to_bytes(request.input);
  return plan;
}

void check_parameters(const SignatureScheme& scheme) {
  if (scheme.scheme != Scheme::rsa_pss) return;
  if (scheme.salt_size == digest_size(scheme.hash) && scheme.mgf_hash == scheme.hash) return;
  throw Error(CKR_MECHANISM_PARAM_INVALID,
              "the TPM makes PSS with a salt as long as the digest only; ask for sLen = " +
                  std::to_string(digest_size(scheme.hash)));
}

}  // namespace mayfly::tpm
