// Evidence, as anybody can send it to a verifier: its file, and the structures of a TPM in it. What
// is read must be whole and mean the same to tpm2-tss; what was made up is never believed.
#include <tss2/tss2_mu.h>

#include <openssl/err.h>

#include "credential/attestation/enrolment.h"
#include "credential/attestation/refused.h"
#include "credential/attestation/verify.h"
#include "fuzz/finding.h"
#include "fuzz/input.h"

namespace mayfly::test {
namespace {

using attestation::Refused;

/// Runs a parser. @return whether it took the bytes.
template <typename Parser>
bool accepts(const Parser& parser) {
  try {
    parser();
    return true;
  } catch (const Refused& refused) {
    require(!refused.check().empty(), "a refusal names its check");
    require_message(refused.what());
  } catch (const Error& error) {
    require(error.rv() == CKR_ARGUMENTS_BAD, "nothing but a refusal is thrown");
    require_message(error.what());
  }
  return false;
}

/// Whether tpm2-tss takes all of the bytes for a structure of this kind.
template <typename T, typename Unmarshal>
bool tss_reads(ByteView bytes, Unmarshal unmarshal) {
  T object{};
  std::size_t at = 0;
  return unmarshal(bytes.data(), bytes.size(), &at, &object) == TSS2_RC_SUCCESS &&
         at == bytes.size();
}

void check_structures(std::uint8_t kind, ByteView bytes) {
  switch (kind) {
    case 0:
      if (accepts([&] { static_cast<void>(attestation::parse_public_area(bytes, "a key")); })) {
        require(tss_reads<TPMT_PUBLIC>(bytes, Tss2_MU_TPMT_PUBLIC_Unmarshal),
                "a public area is one for tpm2-tss");
      }
      break;
    case 1:
      if (accepts([&] { static_cast<void>(attestation::parse_certify_info(bytes)); })) {
        require(tss_reads<TPMS_ATTEST>(bytes, Tss2_MU_TPMS_ATTEST_Unmarshal),
                "a certification is one for tpm2-tss");
      }
      break;
    case 2:
      if (accepts([&] { static_cast<void>(attestation::parse_time_info(bytes)); })) {
        require(tss_reads<TPMS_ATTEST>(bytes, Tss2_MU_TPMS_ATTEST_Unmarshal),
                "a statement of time is one for tpm2-tss");
      }
      break;
    default:
      if (accepts([&] { static_cast<void>(attestation::parse_counter_index(bytes)); })) {
        require(tss_reads<TPMS_NV_PUBLIC>(bytes, Tss2_MU_TPMS_NV_PUBLIC_Unmarshal),
                "a counter index is one for tpm2-tss");
      }
  }
}

/// The bytes as a signature of a key whose public area comes first.
void check_signature(Input& input) {
  const ByteView area = input.piece(input.number(2));
  accepts([&] {
    const PublicKey key = attestation::parse_public_area(area, "a key").key;
    const ByteView bytes = input.rest();
    if (accepts([&] { static_cast<void>(attestation::parse_signature(bytes, key)); })) {
      require(tss_reads<TPMT_SIGNATURE>(bytes, Tss2_MU_TPMT_SIGNATURE_Unmarshal),
              "a signature is one for tpm2-tss");
    }
  });
}

/// Evidence that was read says the same when it is written; and whoever has not given out its nonce
/// does not believe it.
void check_evidence(std::string_view text) {
  accepts([&] {
    const attestation::Evidence evidence = attestation::evidence_from_json(text);
    const std::string written = attestation::to_json(evidence);
    require(attestation::to_json(attestation::evidence_from_json(written)) == written,
            "evidence that was written is read as the same");
    attestation::Trust own;
    own.enrolled_public = evidence.attestation_key_public;
    attestation::Expectations expected;
    expected.nonce = evidence.nonce;
    expected.received_unix_s = 1;
    expected.software_deadline = true;
    accepts([&] { static_cast<void>(attestation::verify(evidence, expected, own)); });
    attestation::Trust none;
    none.enrolled_public = Bytes{};
    require(!accepts([&] { static_cast<void>(attestation::verify(evidence, expected, none)); }),
            "nobody believes a key that is not enrolled");
    expected.nonce.push_back(0);
    require(!accepts([&] { static_cast<void>(attestation::verify(evidence, expected, own)); }),
            "nobody believes evidence for another nonce");
  });
  accepts([&] {
    const attestation::Enrolment enrolment = attestation::enrolment_from_json(text);
    const std::string written = attestation::to_json(enrolment);
    require(attestation::to_json(attestation::enrolment_from_json(written)) == written,
            "an enrolment that was written is read as the same");
  });
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  test::Input input(data, size);
  const std::uint8_t kind = input.byte() % 8;
  if (kind < 4) {
    test::check_structures(kind, input.rest());
  } else if (kind == 4) {
    test::check_signature(input);
  } else {
    test::check_evidence(as_text(input.rest()));
  }
  test::require(ERR_peek_error() == 0, "the host's queue of libcrypto errors is left empty");
  return 0;
}
