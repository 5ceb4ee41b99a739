#include "tools/tpm_enrolment.h"

#include "base/error.h"
#include "base/task_binding.h"
#include "credential/attestation/certificate_chain.h"
#include "credential/attestation/enrolment.h"
#include "credential/attestation/tpm_structures.h"
#include "device/tpm/enrolment.h"

namespace mayfly::tools {

TpmEnrolment enrol_tpm(const TpmConfig& config) {
  const tpm::EnrolledTpm enrolled = tpm::enrol({config.tcti, config.timeout});
  attestation::Enrolment enrolment{enrolled.attestation_key_public, enrolled.endorsement_key_public,
                                   ""};
  if (!enrolled.endorsement_certificate.empty()) {
    enrolment.endorsement_certificate =
        attestation::certificate_pem(enrolled.endorsement_certificate);
    const PublicKey key = attestation::parse_public_area(enrolled.endorsement_key_public,
                                                         "the endorsement key's public area")
                              .key;
    if (attestation::certified_key(enrolment.endorsement_certificate) !=
        key.subject_public_key_info()) {
      throw Error(
          CKR_DEVICE_ERROR,
          "the certificate that the TPM holds is not of its endorsement key; ask its maker");
    }
  }
  const PublicKey key = attestation::parse_public_area(enrolled.attestation_key_public,
                                                       "the attestation key's public area")
                            .key;
  return {attestation::to_json(enrolment), to_hex(thumbprint(key)),
          !enrolment.endorsement_certificate.empty()};
}

}  // namespace mayfly::tools
