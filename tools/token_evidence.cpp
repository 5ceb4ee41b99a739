#include "tools/token_evidence.h"

#include "base/clock.h"
#include "credential/attestation/refused.h"
#include "credential/refused.h"
#include "tools/failure.h"
#include "tools/nonce.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

constexpr std::size_t kMaxKeyFile = 1024 * 1024;

attestation::Trust trust_of(const std::string& file) {
  try {
    return attestation::trust_in_key_file(read_whole_file(file, kMaxKeyFile));
  } catch (const Error& error) {
    throw Failure(kUsage, file + ": " + error.what());
  }
}

}  // namespace

void add_evidence_options(CLI::App& command, TokenEvidenceOptions& options) {
  CLI::Option* file = command.add_option(
      "--evidence", options.file, "Evidence that the key is in a TPM, as `mayfly attest` gave it");
  file->type_name("FILE");
  command
      .add_option("--evidence-nonce", options.nonce,
                  "The nonce that the evidence answers, in hexadecimal")
      ->needs(file)
      ->type_name("HEX");
  command
      .add_option("--evidence-key", options.key_file,
                  "The attestation key to trust: what `mayfly attest enroll` wrote, or a PEM "
                  "public key")
      ->needs(file)
      ->type_name("FILE");
  command
      .add_option("--evidence-came", options.came_unix_s,
                  "When the evidence came, in seconds since 1970 (default: now)")
      ->needs(file)
      ->type_name("SECONDS");
  command
      .add_flag("--software-deadline", options.software_deadline,
                "Accept evidence of a key whose deadline only mayfly enforces, not the chip")
      ->needs(file);
}

void check_evidence(const TokenEvidenceOptions& options,
                    const credential::VerifiedCredential& credential) {
  if (options.file.empty()) return;
  if (options.nonce.empty() || options.key_file.empty()) {
    throw Failure(kUsage, "--evidence wants --evidence-nonce and --evidence-key with it");
  }
  attestation::Expectations expected;
  expected.nonce = parse_nonce(options.nonce);
  expected.received_unix_s = options.came_unix_s != 0 ? options.came_unix_s : unix_now_s();
  expected.software_deadline = options.software_deadline;
  const attestation::Trust trust = trust_of(options.key_file);
  const std::string content = read_whole_file(options.file, attestation::kMaxEvidenceSize);
  try {
    verify_attested(credential,
                    attestation::verify(attestation::evidence_from_json(content), expected, trust));
  } catch (const attestation::Refused& refused) {
    throw credential::Refused(credential::Part::attestation, credential::Reason::not_attested,
                              refused.what());
  }
}

}  // namespace mayfly::tools
