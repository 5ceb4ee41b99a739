// Evidence that a TPM gives of its keys.
#pragma once

#include <vector>

#include "base/device_evidence.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// The key with which a TPM makes statements: a primary of the endorsement hierarchy, so that it is
/// the same after each reset, and that its statements tell the reset counters as they are.
/// Restricted: it signs nothing but what the TPM itself says.
[[nodiscard]] TPM2B_PUBLIC attestation_key_template();

/// Makes that key. @throws Error CKR_FUNCTION_FAILED when the hierarchy is not open to us,
/// TpmError.
[[nodiscard]] Tpm::Created make_attestation_key(Tpm& tpm);

/// The public area of an NV index, as evidence holds it.
[[nodiscard]] Bytes counter_public(Tpm& tpm, TPMI_RH_NV_INDEX index);

/// TPM2_Certify: what the key is.
/// @param authorisation  By the key's authorisation value.
/// @param challenge      Becomes the qualifying data.
[[nodiscard]] attestation::Statement certify(Tpm& tpm, TPM2_HANDLE key,
                                             const Authorisation& authorisation, TPM2_HANDLE signer,
                                             ByteView signer_name, ByteView challenge);

/// TPM2_GetTime: what the TPM's time is.
[[nodiscard]] attestation::Statement state_time(Tpm& tpm, TPM2_HANDLE signer, ByteView challenge);

}  // namespace mayfly::tpm
