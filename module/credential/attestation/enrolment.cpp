#include "credential/attestation/enrolment.h"

#include "base/json_reader.h"
#include "credential/attestation/evidence.h"
#include "credential/attestation/refused.h"

namespace mayfly::attestation {
namespace {

constexpr char kEnrolmentFormat[] = "mayfly-attestation-key";
constexpr std::uint64_t kEnrolmentVersion = 1;
constexpr std::size_t kMaxPublicArea = 2048;

Enrolment read_enrolment(std::string_view text) {
  const nlohmann::json json = parse_json(text, kMaxEvidenceSize);
  JsonObject object(json, "enrolment");
  object.require_format(kEnrolmentFormat, kEnrolmentVersion);
  Enrolment enrolment;
  enrolment.attestation_key_public = object.bytes("attestation_key", 1, kMaxPublicArea);
  enrolment.endorsement_key_public = object.bytes("endorsement_key", 1, kMaxPublicArea);
  enrolment.endorsement_certificate = object.text("endorsement_certificate");
  object.finish();
  return enrolment;
}

}  // namespace

std::string to_json(const Enrolment& enrolment) {
  return nlohmann::json{{"format", kEnrolmentFormat},
                        {"version", kEnrolmentVersion},
                        {"attestation_key", to_hex(enrolment.attestation_key_public)},
                        {"endorsement_key", to_hex(enrolment.endorsement_key_public)},
                        {"endorsement_certificate", enrolment.endorsement_certificate}}
             .dump(2) +
         "\n";
}

Enrolment enrolment_from_json(std::string_view text) {
  return read_format([text] { return read_enrolment(text); });
}

}  // namespace mayfly::attestation
