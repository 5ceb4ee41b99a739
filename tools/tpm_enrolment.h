// A TPM's attestation key, for those who are to trust it.
#pragma once

#include <string>

#include "config/config.h"

namespace mayfly::tools {

/// What `mayfly init --device tpm` and `mayfly attest enroll` write.
struct TpmEnrolment {
  std::string file;        ///< JSON, for `mayfly attest verify --key`
  std::string thumbprint;  ///< of the attestation key, hexadecimal
  bool certified = false;  ///< whether the TPM holds its maker's certificate of its endorsement key
};

/// Has the TPM prove that it holds its attestation key and its endorsement key together.
/// @throws Error what the TPM says; CKR_DEVICE_ERROR when the certificate that it holds is of
/// another
///         key.
[[nodiscard]] TpmEnrolment enrol_tpm(const TpmConfig& config);

}  // namespace mayfly::tools
