#include "tools/attest_verify.h"

#include <ctime>
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "credential/attestation/certificate_chain.h"
#include "credential/attestation/refused.h"
#include "credential/attestation/verify.h"
#include "tools/failure.h"
#include "tools/nonce.h"
#include "tools/utc_text.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

using attestation::Expectations;
using attestation::Trust;
using attestation::Verified;

constexpr std::size_t kMaxTrustFile = 1024 * 1024;

struct VerifyOptions {
  std::string file;
  std::string nonce;
  std::string key_file;
  std::string root_file;
  std::string task_id;
  std::uint64_t at = 0;
  bool software_deadline = false;
  bool kill_switch = false;
  bool json = false;
};

Trust read_trust(const VerifyOptions& options) {
  if (options.key_file.empty() == options.root_file.empty()) {
    throw Failure(kUsage, "say whom to trust: --key FILE or --root FILE, one of them");
  }
  if (options.key_file.empty()) {
    Trust trust;
    trust.roots = read_whole_file(options.root_file, kMaxTrustFile);
    return trust;
  }
  try {
    return attestation::trust_in_key_file(read_whole_file(options.key_file, kMaxTrustFile));
  } catch (const Error& error) {
    throw Failure(kUsage, options.key_file + ": " + error.what() +
                              "; it should be a PEM public key or what `mayfly attest enroll` "
                              "wrote");
  }
}

std::string public_key_pem(const PublicKey& key) {
  return attestation::public_key_pem(key.subject_public_key_info());
}

void print(const Verified& verified, bool json) {
  if (json) {
    nlohmann::json result = {{"verified", true},
                             {"task", verified.task_id},
                             {"serial", verified.serial},
                             {"deadline", verified.deadline_unix_s},
                             {"kill_switch", verified.kill_switch},
                             {"key", public_key_pem(verified.key)},
                             {"attestation_key", to_hex(verified.attestation_key_thumbprint)}};
    if (verified.chip_deadline_unix_s) {
      result["chip_deadline"] = *verified.chip_deadline_unix_s;
    }
    std::cout << result.dump(2) << '\n';
    return;
  }
  std::cout << "verified     " << to_string(verified.key.spec()) << " key in a TPM\n"
            << "task         " << verified.task_id << '\n'
            << "serial       " << verified.serial << '\n'
            << "deadline     " << utc_text(verified.deadline_unix_s) << '\n'
            << "in the chip  "
            << (verified.chip_deadline_unix_s
                    ? "refused by " + utc_text(*verified.chip_deadline_unix_s) + " at the latest"
                    : "not enforced")
            << (verified.kill_switch ? ", with a kill switch" : "") << '\n'
            << "attested by  " << to_hex(verified.attestation_key_thumbprint) << '\n'
            << public_key_pem(verified.key);
}

int run_verify(const VerifyOptions& options) {
  Expectations expected;
  expected.nonce = parse_nonce(options.nonce);
  expected.received_unix_s =
      options.at != 0 ? options.at : static_cast<std::uint64_t>(std::time(nullptr));
  expected.task_id = options.task_id;
  expected.software_deadline = options.software_deadline;
  expected.kill_switch = options.kill_switch;
  const Trust trust = read_trust(options);
  const std::string content = read_whole_file(options.file, attestation::kMaxEvidenceSize);
  try {
    print(attestation::verify(attestation::evidence_from_json(content), expected, trust),
          options.json);
    return kOk;
  } catch (const attestation::Refused& refused) {
    if (options.json) {
      std::cout << nlohmann::json{{"verified", false},
                                  {"check", refused.check()},
                                  {"reason", refused.what()}}
                       .dump(2)
                << '\n';
    } else {
      std::cerr << "mayfly: not verified: " << refused.what() << '\n';
    }
    return kChecksFailed;
  } catch (const Error& error) {
    if (error.rv() != CKR_ARGUMENTS_BAD) throw;
    throw Failure(kUsage, options.root_file + ": " + error.what());
  }
}

}  // namespace

void add_attest_verify(CLI::App& attest, int& status) {
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* command = attest.add_subcommand("verify", "Check evidence, without a TPM");
  command->footer(
      "Everything is checked: that the evidence answers this nonce, that the attestation key is\n"
      "trusted, that the task's key was made in its TPM and can't leave it, and that the chip\n"
      "refuses it after the task's deadline. docs/attestation.md lists the checks.\n"
      "The exit status is 0 if all hold, 1 if one does not.");
  command->add_option("file", options->file, "The evidence; - reads standard input")
      ->required()
      ->type_name("FILE");
  command->add_option("--nonce", options->nonce, "The nonce that you gave out, in hexadecimal")
      ->required()
      ->type_name("HEX");
  command
      ->add_option("--key", options->key_file,
                   "The attestation key to trust: what `mayfly attest enroll` wrote, or a PEM "
                   "public key")
      ->type_name("FILE");
  command
      ->add_option("--root", options->root_file,
                   "PEM certificates to trust; the evidence brings the attestation key's own")
      ->type_name("FILE");
  command->add_option("--task", options->task_id, "Accept this task only")->type_name("ID");
  command
      ->add_option("--at", options->at,
                   "When the evidence came, in seconds since 1970 (default: now)")
      ->type_name("SECONDS");
  command->add_flag("--software-deadline", options->software_deadline,
                    "Accept a key whose deadline only mayfly enforces, not the chip");
  command->add_flag("--kill-switch", options->kill_switch, "Accept only a key with a kill switch");
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->callback([options, &status] { status = run_verify(*options); });
}

}  // namespace mayfly::tools
