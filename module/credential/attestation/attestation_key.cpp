#include "credential/attestation/attestation_key.h"

#include "credential/attestation/certificate_chain.h"
#include "credential/attestation/enrolment.h"
#include "credential/attestation/refused.h"

namespace mayfly::attestation {

Trust trust_in_key_file(const std::string& content) {
  Trust trust;
  if (content.starts_with("-----BEGIN")) {
    trust.enrolled_key_info = public_key_info_from_pem(content);
  } else {
    trust.enrolled_public = enrolment_from_json(content).attestation_key_public;
  }
  return trust;
}

void check_attestation_key(const PublicArea& key) {
  static constexpr char kCheck[] = "attestation key";
  static constexpr std::uint32_t kNeeded =
      kFixedTpm | kFixedParent | kSensitiveDataOrigin | kRestricted | kSign;
  if ((key.attributes & kNeeded) != kNeeded) {
    throw Refused(kCheck,
                  "is not restricted to what its TPM says, or could have been made elsewhere");
  }
  if ((key.attributes & (kDecrypt | kEncryptedDuplication)) != 0) {
    throw Refused(kCheck, "may do more than sign");
  }
  if (!key.scheme) throw Refused(kCheck, "leaves open how it signs");
}

void check_trust(const PublicArea& key, ByteView key_public,
                 const std::vector<std::string>& certificates, const Trust& trust,
                 std::uint64_t at_unix_s) {
  if (trust.enrolled_public) {
    if (equal(key_public, *trust.enrolled_public)) return;
    throw Refused("trust", "the attestation key is not the enrolled one");
  }
  if (trust.enrolled_key_info) {
    if (key.key.subject_public_key_info() == *trust.enrolled_key_info) return;
    throw Refused("trust", "the attestation key is not the enrolled one");
  }
  check_certificate_chain(certificates, key.key, trust.roots, at_unix_s);
}

}  // namespace mayfly::attestation
