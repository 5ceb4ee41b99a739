#include "tools/token_verify.h"

#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "credential/refused.h"
#include "credential/verify/verify_certificate.h"
#include "tools/duration_option.h"
#include "tools/failure.h"
#include "tools/proof_request.h"
#include "tools/status_fetch.h"
#include "tools/token_evidence.h"
#include "tools/utc_text.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

using credential::VerifiedCredential;

constexpr std::size_t kMaxRoots = 1024 * 1024;

struct TokenOptions {
  std::string file;
  std::string keys;
  std::string roots;
  std::string subject;
  std::string issuer;
  std::string task;
  std::string dpop;
  std::string wpt;
  std::string signature_input;
  std::string signature;
  std::string audience;
  std::vector<std::string> covered;
  ProofRequestOptions request;
  TokenEvidenceOptions evidence;
  std::string status_list;
  std::string status_timeout = "10s";
  std::string status_ca;
  std::string max_stale = "60s";
  std::string seen;
  std::string skew = "30s";
  std::uint64_t at = 0;
  bool no_proof = false;
  bool no_status = false;
  bool no_replay = false;
  bool json = false;

  [[nodiscard]] bool has_http() const { return !signature_input.empty() || !signature.empty(); }
};

// The proofs that an option goes with.
constexpr unsigned kDpop = 1;
constexpr unsigned kWpt = 2;
constexpr unsigned kHttp = 4;

struct ProofOption {
  const char* name;
  unsigned proofs;
};
constexpr ProofOption kProofOptions[] = {{"--method", kDpop | kHttp},
                                         {"--url", kDpop | kWpt | kHttp},
                                         {"--access-token", kDpop | kWpt | kHttp},
                                         {"--nonce", kDpop | kHttp},
                                         {"--audience", kWpt},
                                         {"--field", kHttp},
                                         {"--body", kHttp},
                                         {"--cover", kHttp},
                                         {"--scheme", kHttp},
                                         {"--seen", kDpop | kWpt | kHttp},
                                         {"--no-replay-check", kDpop | kWpt | kHttp}};

/// An empty value would say nothing, where whoever gave it believes that it is looked at.
void refuse_empty_values(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& value : option->results()) {
      if (value.empty()) throw Failure(kUsage, option->get_name() + " wants a value, not nothing");
    }
  }
}

/// What does not go with the proof would not be looked at.
void check_proof_options(const CLI::App& command, const TokenOptions& options) {
  unsigned proof = 0;
  std::string name = "--no-proof";
  if (!options.dpop.empty()) {
    proof = kDpop;
    name = "--dpop";
  } else if (!options.wpt.empty()) {
    proof = kWpt;
    name = "--wpt";
  } else if (options.has_http()) {
    proof = kHttp;
    name = "--signature";
  }
  for (const ProofOption& option : kProofOptions) {
    if (command.count(option.name) != 0 && (option.proofs & proof) == 0) {
      throw Failure(kUsage, std::string(option.name) + " does not go with " + name);
    }
  }
  if (proof == kWpt && !options.audience.empty() && !options.request.url.empty()) {
    throw Failure(kUsage, "say for which request by --url URI or --audience TEXT, not by both");
  }
  if (command.count("--scheme") != 0 && options.request.access_token.empty()) {
    throw Failure(kUsage, "--scheme goes with --access-token");
  }
}

void check_status_options(const CLI::App& command, const TokenOptions& options) {
  const auto refuse_beside = [&](const char* chosen, std::initializer_list<const char*> others) {
    for (const char* name : others) {
      if (command.count(name) == 0) continue;
      throw Failure(kUsage, std::string(name) + " does not go with " + chosen);
    }
  };
  if (options.no_status) {
    refuse_beside("--no-status", {"--status", "--max-stale", "--status-timeout", "--status-ca"});
  } else if (!options.status_list.empty()) {
    refuse_beside("--status", {"--status-timeout", "--status-ca"});
  }
}

/// What is not looked at must be said: else a verifier believes that it was.
void check_choices(const CLI::App& command, const TokenOptions& options) {
  refuse_empty_values(command);
  const int proofs =
      (options.dpop.empty() ? 0 : 1) + (options.wpt.empty() ? 0 : 1) + (options.has_http() ? 1 : 0);
  if (options.keys.empty() == options.roots.empty()) {
    throw Failure(kUsage,
                  "say whom to trust: --keys FILE for a token, --root FILE for a certificate");
  }
  if (proofs > 1) throw Failure(kUsage, "give one proof: --dpop, --wpt or --signature");
  if (options.signature.empty() != options.signature_input.empty()) {
    throw Failure(kUsage, "--signature and --signature-input go together");
  }
  if ((proofs == 0) != options.no_proof) {
    throw Failure(kUsage,
                  "without a proof of its key a credential proves nothing: give --dpop, --wpt or "
                  "--signature; or say --no-proof");
  }
  check_proof_options(command, options);
  check_status_options(command, options);
  if (options.no_proof) return;
  if (options.seen.empty() != options.no_replay) {
    throw Failure(kUsage,
                  "a proof is good once: name the file of those that were seen by --seen, or say "
                  "--no-replay-check");
  }
}

credential::Clock clock_of(const TokenOptions& options) {
  return {options.at != 0 ? options.at : unix_now_s(), duration_option("--skew", options.skew)};
}

std::string read_token(const std::string& path) {
  std::string text = read_whole_file(path, credential::kMaxStatusTokenSize);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

/// The status list that the command line names, else the one that the token names.
std::string status_list_for(const TokenOptions& options, const credential::Wit& wit) {
  if (!options.status_list.empty()) return read_token(options.status_list);
  if (!wit.status) {
    throw credential::Refused(credential::Part::credential, credential::Reason::no_status);
  }
  return fetch_status_list(
      wit.status->uri,
      {duration_option("--status-timeout", options.status_timeout), options.status_ca});
}

void check_status(const TokenOptions& options, const VerifiedCredential& verified,
                  const std::vector<credential::PublishedKey>& keys) {
  if (options.no_status) return;
  const std::chrono::seconds max_stale = duration_option("--max-stale", options.max_stale);
  const std::string list = status_list_for(options, *verified.wit);
  verify_status(*verified.wit, list, keys, clock_of(options), max_stale);
}

void check_proof(const TokenOptions& options, const std::string& text,
                 const VerifiedCredential& verified) {
  if (options.no_proof) return;
  credential::ProofExpectations expected;
  expected.clock = clock_of(options);
  expected.audience = options.audience;
  expected.covered = options.covered;
  options.request.require(options.wpt.empty());
  if (!options.wpt.empty() && options.audience.empty() && options.request.url.empty()) {
    throw Failure(kUsage, "say for which request: --url URI, or --audience TEXT");
  }
  expected.method = options.request.method;
  expected.target = options.request.url;
  expected.nonce = options.request.nonce;
  expected.access_token = options.request.read_access_token();
  credential::MemoryReplayCache once;
  credential::FileReplayCache file(options.seen);
  credential::ReplayCache& seen =
      options.no_replay ? static_cast<credential::ReplayCache&>(once) : file;
  if (!options.dpop.empty()) {
    verify_dpop(read_token(options.dpop), verified, expected, seen);
  } else if (!options.wpt.empty()) {
    verify_wpt(read_token(options.wpt), text, verified, expected, seen);
  } else {
    verify_http({options.request.message(), options.request.read_body(), options.signature_input,
                 options.signature},
                verified, expected, seen);
  }
}

void print_verified(const TokenOptions& options, const VerifiedCredential& verified) {
  if (options.json) {
    nlohmann::json result = {{"verified", true},
                             {"subject", verified.subject},
                             {"expires", verified.expires},
                             {"key", verified.thumbprint},
                             {"proof_checked", !options.no_proof},
                             {"replay_checked", !options.no_proof && !options.no_replay},
                             {"status_checked", !options.no_status},
                             {"evidence_checked", !options.evidence.file.empty()}};
    if (const auto& wit = verified.wit) {
      result["issuer"] = wit->issuer;
      result["task"] = wit->task_id;
      result["serial"] = wit->task_serial;
      result["deadline"] = wit->deadline_unix_s;
    }
    std::cout << result.dump(2) << '\n';
    return;
  }
  std::string not_checked;
  if (options.no_proof) not_checked += ", whether its bearer has the key";
  if (options.no_replay) not_checked += ", whether the proof was used before";
  if (options.no_status) not_checked += ", whether the task goes on";
  std::cout << "verified     "
            << (not_checked.empty() ? "the credential, its proof and its status"
                                    : "but not" + not_checked.substr(1))
            << '\n'
            << "subject      " << verified.subject << '\n';
  if (const auto& wit = verified.wit) {
    std::cout << "issuer       " << wit->issuer << '\n'
              << "task         " << wit->task_id << '\n'
              << "serial       " << wit->task_serial << '\n';
  }
  std::cout << "key          " << verified.thumbprint << '\n'
            << "expires      " << utc_text(verified.expires) << '\n';
}

int refuse(const credential::Refused& refused, bool json) {
  if (json) {
    std::cout << nlohmann::json{{"verified", false},
                                {"part", credential::name_of(refused.part())},
                                {"reason", credential::name_of(refused.reason())},
                                {"message", refused.what()}}
                     .dump(2)
              << '\n';
  } else {
    std::cerr << "mayfly: not verified (" << credential::name_of(refused.part()) << ", "
              << credential::name_of(refused.reason()) << "): " << refused.what() << '\n';
  }
  return kChecksFailed;
}

VerifiedCredential verify_credential(const TokenOptions& options, const std::string& text) {
  const credential::CredentialExpectations expected{clock_of(options), options.issuer,
                                                    options.subject, options.task};
  if (!options.roots.empty()) {
    if (!options.no_status || !options.issuer.empty() || !options.task.empty()) {
      throw Failure(kUsage,
                    "a certificate has no status list, and names its issuer and its task by its "
                    "chain and its URI: say --no-status, and --subject URI");
    }
    try {
      return verify_certificate(text, read_whole_file(options.roots, kMaxRoots), expected);
    } catch (const Error& error) {
      if (error.rv() != CKR_ARGUMENTS_BAD) throw;
      throw Failure(kUsage, options.roots + ": " + error.what());
    }
  }
  const auto keys =
      credential::parse_key_set(read_whole_file(options.keys, credential::kMaxKeySetSize));
  VerifiedCredential verified = verify_wit(text, keys, expected);
  check_status(options, verified, keys);
  return verified;
}

int run_token_verify(const CLI::App& command, const TokenOptions& options) {
  check_choices(command, options);
  const std::string text = read_token(options.file);
  try {
    const VerifiedCredential verified = verify_credential(options, text);
    check_evidence(options.evidence, verified);
    check_proof(options, text, verified);
    print_verified(options, verified);
    return kOk;
  } catch (const credential::Refused& refused) {
    return refuse(refused, options.json);
  }
}

void add_expectations(CLI::App& command, TokenOptions& options) {
  command.add_option("--keys", options.keys, "The issuer's public keys, a JWK Set")
      ->type_name("FILE");
  command
      .add_option("--root", options.roots,
                  "The issuer's certificate in PEM: then a certificate is verified, not a token")
      ->type_name("FILE");
  command.add_option("--issuer", options.issuer, "Accept this issuer only")->type_name("URI");
  command
      .add_option("--subject", options.subject,
                  "Accept this workload only; with /* at its end, all below it")
      ->type_name("URI");
  command.add_option("--task", options.task, "Accept this task only")->type_name("ID");
  command
      .add_option("--status", options.status_list,
                  "The issuer's status list, as it was fetched (default: it is fetched from where "
                  "the token says)")
      ->type_name("FILE");
  command
      .add_option("--status-timeout", options.status_timeout,
                  "How long fetching the status list may take (default: 10s)")
      ->type_name("TIME");
  command
      .add_option("--status-ca", options.status_ca,
                  "Whom to trust for the status list's https, in PEM (default: whom this system "
                  "trusts)")
      ->type_name("FILE");
  command
      .add_option("--max-stale", options.max_stale, "How old the status list may be (default: 60s)")
      ->type_name("TIME");
  command.add_flag("--no-status", options.no_status, "Don't look at the status");
  command
      .add_option("--skew", options.skew,
                  "How far ahead the clocks of others may be (default: 30s)")
      ->type_name("TIME");
  command
      .add_option("--at", options.at, "When to verify it for, in seconds since 1970 (default: now)")
      ->type_name("SECONDS");
}

void add_proofs(CLI::App& command, TokenOptions& options) {
  command.add_option("--dpop", options.dpop, "The DPoP proof that came along")->type_name("FILE");
  command.add_option("--wpt", options.wpt, "The workload proof token that came along")
      ->type_name("FILE");
  command.add_option("--signature-input", options.signature_input, "The field Signature-Input")
      ->type_name("TEXT");
  command.add_option("--signature", options.signature, "The field Signature")->type_name("TEXT");
  command
      .add_option("--cover", options.covered,
                  "A component that the signature must cover besides the usual; may be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME");
  command
      .add_option(
          "--audience", options.audience,
          "What the workload proof token's aud must be (default: the URI without its query)")
      ->type_name("TEXT");
  add_request_options(command, options.request);
  command
      .add_option("--seen", options.seen,
                  "The file that remembers proofs, made if it is not there; each is good once")
      ->type_name("FILE");
  command.add_flag("--no-proof", options.no_proof, "Don't ask for a proof of the key");
  command.add_flag("--no-replay-check", options.no_replay,
                   "Don't look whether the proof was used before");
}

}  // namespace

void add_token_verify(CLI::App& token, int& status) {
  const auto options = std::make_shared<TokenOptions>();
  CLI::App* command = token.add_subcommand(
      "verify", "Verify an identity token or a certificate, and a proof of its key");
  command->footer(
      "All is checked that a relying party must: signature, issuer, subject, times, status, and a\n"
      "proof of the key for this one request. What is not to be checked must be said. The reasons\n"
      "are in docs/credentials.md. The exit status is 0 if all holds, 1 if something does not.");
  command->add_option("file", options->file, "The token; - reads standard input")
      ->required()
      ->type_name("FILE");
  add_expectations(*command, *options);
  add_proofs(*command, *options);
  add_evidence_options(*command, options->evidence);
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->callback([command, options, &status] { status = run_token_verify(*command, *options); });
}

}  // namespace mayfly::tools
