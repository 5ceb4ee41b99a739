// Who a TPM is: its attestation key, tied to its endorsement key.
#pragma once

#include "base/bytes.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// A TPM's two keys, and proof by the TPM itself that it holds both.
struct EnrolledTpm {
  Bytes attestation_key_public;   ///< TPMT_PUBLIC
  Bytes endorsement_key_public;   ///< TPMT_PUBLIC
  Bytes endorsement_certificate;  ///< DER, as the TPM's maker stored it; empty where there is none
};

/// Makes both keys, and has the TPM open a random secret that is sealed to the two of them together
/// (TPM2_MakeCredential, TPM2_ActivateCredential). The endorsement key is the one of the TCG's
/// default templates that the TPM holds a certificate for: ECC P-256, else RSA 2048. Leaves nothing
/// loaded.
///
/// The proof is one for whoever runs this on the machine itself and believes what answers to be a
/// TPM; the endorsement certificate says which maker vouches for that.
/// @throws Error CKR_DEVICE_ERROR when the TPM opens another secret, TpmError.
[[nodiscard]] EnrolledTpm enrol(const ConnectionOptions& options);

}  // namespace mayfly::tpm
