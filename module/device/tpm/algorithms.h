// Which keys and signatures a TPM can make.
#pragma once

#include <set>
#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"
#include "base/public_key.h"
#include "device/device.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// What TPM2_Sign is given.
struct SignPlan {
  TPMT_SIG_SCHEME scheme{};
  Bytes digest;
};

/// Algorithms models what a TPM said of itself: nothing is offered that it has not confirmed.
///
/// ECDSA signs a number. A digest that is longer than the curve is cut, as the standard says, and
/// one that is shorter gets zeros in front: so one hash of the TPM's does for digests of all kinds.
/// PKCS#1 v1.5 and PSS take the hashes that the TPM itself has: it builds the padding.
class Algorithms {
 public:
  /// Asks the TPM.
  explicit Algorithms(Tpm& tpm);

  /// CKR_OK, or why such keys can't be made: CKR_MECHANISM_INVALID, CKR_CURVE_NOT_SUPPORTED,
  /// CKR_KEY_SIZE_RANGE.
  [[nodiscard]] CK_RV obstacle(const KeySpec& spec) const noexcept;

  [[nodiscard]] SignInput sign_input(Scheme scheme, Hash hash) const noexcept;

  /// How to make a signature.
  /// @throws Error CKR_MECHANISM_INVALID for a scheme that the key or the TPM does not have,
  ///         CKR_DATA_LEN_RANGE for a digest of the wrong length, CKR_DATA_INVALID for what is no
  ///         DigestInfo of a hash that the TPM has, CKR_MECHANISM_PARAM_INVALID for a salt of PSS
  ///         that is not as long as the digest.
  [[nodiscard]] SignPlan plan(const KeySpec& key, const SignRequest& request) const;

 private:
  [[nodiscard]] bool has(TPM2_ALG_ID algorithm) const noexcept {
    return algorithms_.contains(algorithm);
  }
  [[nodiscard]] bool has_hash(Hash hash) const noexcept;
  [[nodiscard]] SignPlan plan_ecdsa(const KeySpec& key, const SignRequest& request) const;
  [[nodiscard]] SignPlan plan_pkcs1(const SignRequest& request) const;
  [[nodiscard]] SignPlan plan_pss(const SignRequest& request) const;

  std::set<TPM2_ALG_ID> algorithms_;
  std::vector<KeySpec> specs_;
};

/// @throws Error CKR_MECHANISM_PARAM_INVALID for PSS with a salt that is not as long as the digest:
///         TPMs make no other (TPM 2.0 Part 1, B.7).
void check_parameters(const SignatureScheme& scheme);

/// The number of a hash; TPM2_ALG_NULL for those that no TPM has.
[[nodiscard]] TPM2_ALG_ID algorithm_of(Hash hash) noexcept;

/// The number of a NIST curve; TPM2_ECC_NONE for other kinds of key.
[[nodiscard]] TPM2_ECC_CURVE curve_of(const KeySpec& spec) noexcept;

/// The parameters of a signing key of a kind, its scheme left open.
[[nodiscard]] TPMT_PUBLIC_PARMS signing_parameters(const KeySpec& spec) noexcept;

}  // namespace mayfly::tpm
