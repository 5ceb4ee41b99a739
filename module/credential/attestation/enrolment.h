// An attestation key that somebody has looked at and trusts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace mayfly::attestation {

/// What `mayfly attest enroll` writes: the attestation key, and the endorsement key of the TPM that
/// proved (TPM2_ActivateCredential) to hold both.
struct Enrolment {
  Bytes attestation_key_public;         ///< TPMT_PUBLIC
  Bytes endorsement_key_public;         ///< TPMT_PUBLIC
  std::string endorsement_certificate;  ///< PEM, from the TPM's maker; empty where it has none
};

[[nodiscard]] std::string to_json(const Enrolment& enrolment);

/// @throws Refused "format"; members are read as strictly as those of evidence.
[[nodiscard]] Enrolment enrolment_from_json(std::string_view json);

}  // namespace mayfly::attestation
