#include "device/tpm/attestation.h"

#include "base/hash.h"
#include "device/tpm/marshalled.h"
#include "device/tpm/sapi.h"

namespace mayfly::tpm {
namespace {

/// What lets the attestation key of mayfly be another than those of other programs.
constexpr char kSeedLabel[] = "mayfly: attestation key, version 1";

/// The scheme that the attestation key has: none needs to be given.
TPMT_SIG_SCHEME own_scheme() {
  TPMT_SIG_SCHEME scheme{};
  scheme.scheme = TPM2_ALG_NULL;
  return scheme;
}

attestation::Statement statement(const TPM2B_ATTEST& info, const TPMT_SIGNATURE& signature) {
  return {Bytes(info.attestationData, info.attestationData + info.size),
          marshalled(signature, Tss2_MU_TPMT_SIGNATURE_Marshal, "Tss2_MU_TPMT_SIGNATURE_Marshal")};
}

}  // namespace

TPM2B_PUBLIC attestation_key_template() {
  TPM2B_PUBLIC wanted{};
  TPMT_PUBLIC& area = wanted.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                          TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                          TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT;
  TPMS_ECC_PARMS& ecc = area.parameters.eccDetail;
  ecc.symmetric.algorithm = TPM2_ALG_NULL;
  ecc.scheme.scheme = TPM2_ALG_ECDSA;
  ecc.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  ecc.curveID = TPM2_ECC_NIST_P256;
  ecc.kdf.scheme = TPM2_ALG_NULL;
  area.unique.ecc.x = sized<TPM2B_ECC_PARAMETER>(digest(Hash::sha256, as_bytes(kSeedLabel)));
  return wanted;
}

Tpm::Created make_attestation_key(Tpm& tpm) {
  try {
    return tpm.create_primary(TPM2_RH_ENDORSEMENT, attestation_key_template());
  } catch (const TpmError& error) {
    if (!error.is(TPM2_RC_BAD_AUTH) && !error.is(TPM2_RC_AUTH_FAIL) &&
        !error.is(TPM2_RC_HIERARCHY)) {
      throw;
    }
    throw Error(CKR_FUNCTION_FAILED,
                "the TPM's endorsement hierarchy is switched off or has an authorisation value, so "
                "that no attestation key can be made; enable it, with an empty value");
  }
}

Bytes counter_public(Tpm& tpm, TPMI_RH_NV_INDEX index) {
  return marshalled(tpm.nv_read_public(index).area, Tss2_MU_TPMS_NV_PUBLIC_Marshal,
                    "Tss2_MU_TPMS_NV_PUBLIC_Marshal");
}

attestation::Statement certify(Tpm& tpm, TPM2_HANDLE key, const Authorisation& authorisation,
                               TPM2_HANDLE signer, ByteView signer_name, ByteView challenge) {
  const Tpm::Certified made = tpm.certify(key, authorisation, signer, signer_name, challenge);
  return statement(made.info, made.signature);
}

attestation::Statement state_time(Tpm& tpm, TPM2_HANDLE signer, ByteView challenge) {
  CommandAuthorisation authorisation({}, {});
  const auto data = sized<TPM2B_DATA>(challenge);
  const TPMT_SIG_SCHEME scheme = own_scheme();
  TPM2B_ATTEST info{};
  TPMT_SIGNATURE signature{};
  tpm.run(Tss2_Sys_GetTime(tpm.sys(), TPM2_RH_ENDORSEMENT, signer, authorisation.command(), &data,
                           &scheme, &info, &signature, authorisation.response()),
          "TPM2_GetTime");
  return statement(info, signature);
}

}  // namespace mayfly::tpm
