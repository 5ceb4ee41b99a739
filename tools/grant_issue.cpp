#include "tools/grant_issue.h"

#include <algorithm>
#include <iostream>
#include <memory>

#include "base/clock.h"
#include "base/jwk.h"
#include "base/mechanism.h"
#include "base/random.h"
#include "grant/grant.h"
#include "grant/issue.h"
#include "tools/approver_key.h"
#include "tools/commands.h"
#include "tools/duration_option.h"
#include "tools/failure.h"
#include "tools/new_files.h"

namespace mayfly::tools {
namespace {

struct IssueOptions {
  ApproverKeyOptions key;
  std::string config;
  std::string key_id;
  std::string output;
  std::string ttl;
  std::string valid_for;
  std::string starts_in;
  grant::Grant grant;  // what needs no turning into another form
  std::uint64_t max_signatures = 0;
  std::uint64_t max_keys = 0;
  std::string parent;
};

/// Names are written as PKCS#11 has them. One that mayfly does not know would allow nothing.
void check_mechanisms(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (find_signing_mechanism(name) != nullptr) continue;
    throw Failure(kUsage,
                  "--mechanism wants the name of a mechanism as PKCS#11 has it, such as "
                  "CKM_ECDSA or CKM_EDDSA; docs/pkcs11.md lists them");
  }
}

void set_times(const IssueOptions& options, const std::optional<Config>& config,
               grant::Grant& grant) {
  const GrantsConfig limits = config ? config->grants : GrantsConfig{};
  const std::chrono::seconds usual =
      std::min<std::chrono::seconds>(std::chrono::minutes(15), limits.max_life);
  const std::chrono::seconds life =
      options.valid_for.empty() ? usual : duration_option("--valid-for", options.valid_for);
  grant.issued_at = unix_now_s();
  std::uint64_t start = grant.issued_at;
  if (!options.starts_in.empty()) {
    start += static_cast<std::uint64_t>(duration_option("--starts-in", options.starts_in).count());
    grant.not_before = start;
  }
  grant.expires = start + static_cast<std::uint64_t>(life.count());
  if (config &&
      grant.expires - grant.issued_at > static_cast<std::uint64_t>(limits.max_life.count())) {
    throw Failure(kBadTtl, "the grant would be valid for longer than grants.max-life (" +
                               format_duration(limits.max_life) +
                               "), and so be refused; shorten "
                               "--valid-for and --starts-in");
  }
  if (!options.ttl.empty()) {
    grant.ttl = duration_option("--ttl", options.ttl);
  } else {
    grant.ttl = config ? config->task.ttl : TaskConfig{}.ttl;
  }
}

grant::Grant make_grant(const IssueOptions& options, const std::optional<Config>& config,
                        const PublicKey& key) {
  grant::Grant grant = options.grant;
  set_times(options, config, grant);
  if (grant.id.empty()) grant.id = random_id("the ID of a grant");
  if (grant.issuer.empty()) {
    grant.issuer = options.key_id.empty() ? jwk_thumbprint(key) : options.key_id;
  }
  if (grant.audience.empty() && config && !config->grants.audience.empty()) {
    grant.audience = {config->grants.audience};
  }
  if (grant.audience.empty()) {
    throw Failure(kUsage, "say which broker the grant is for: --audience NAME");
  }
  check_mechanisms(grant.mechanisms);
  if (options.max_signatures != 0) grant.max_signatures = options.max_signatures;
  if (options.max_keys != 0) grant.max_keys = options.max_keys;
  if (!options.parent.empty()) grant.parent = options.parent;
  return grant;
}

int run_issue(const IssueOptions& options) {
  const auto config = find_configuration_if_any(options.config);
  const auto signer = open_approver_key(options.key, config);
  const grant::Grant grant = make_grant(options, config, signer->public_key());
  std::string text;
  try {
    text = grant::issue(grant, options.key_id, *signer, grant.issued_at) + "\n";
  } catch (const Error& error) {
    if (error.rv() != CKR_ARGUMENTS_BAD && error.rv() != CKR_KEY_TYPE_INCONSISTENT) throw;
    throw Failure(kUsage, error.what());
  }
  if (options.output.empty()) {
    std::cout << text;
  } else {
    write_new_file(options.output, as_bytes(text));
  }
  return kOk;
}

void add_claims(CLI::App& command, IssueOptions& options) {
  grant::Grant& grant = options.grant;
  command.add_option("--task", grant.task, "The ID of the one task that it opens")
      ->required()
      ->type_name("ID");
  command.add_option("--agent", grant.agent, "Who may use it (sub)")->required()->type_name("NAME");
  command
      .add_option("--audience", grant.audience,
                  "The broker that may take it (default: grants.audience); may be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME");
  command.add_option("--issuer", grant.issuer, "Who allows it (default: the key's name)")
      ->type_name("NAME");
  command.add_option("--id", grant.id, "The grant's own ID, jti (default: random)")
      ->type_name("ID");
  command
      .add_option("--valid-for", options.valid_for,
                  "How long the task can be opened (default: 15m, at most grants.max-life)")
      ->type_name("TIME");
  command.add_option("--starts-in", options.starts_in, "From when on it can (default: now)")
      ->type_name("TIME");
  command
      .add_option("--ttl", options.ttl,
                  "How long the task lives at most (default: task.ttl, else 15m)")
      ->type_name("TIME");
  command.add_option("--max-signatures", options.max_signatures, "How often its keys may sign")
      ->check(CLI::PositiveNumber)
      ->type_name("COUNT");
  command.add_option("--max-keys", options.max_keys, "How many key pairs it may make")
      ->check(CLI::PositiveNumber)
      ->type_name("COUNT");
  command
      .add_option("--mechanism", grant.mechanisms,
                  "The only mechanism that it may use, such as CKM_ECDSA; may be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME");
  command
      .add_option("--scope", grant.scope,
                  "What credentials of the task may be for, one word; may be repeated")
      ->allow_extra_args(false)
      ->type_name("WORD");
  command
      .add_option("--children", grant.children,
                  "How deep tasks may be opened below it (default: none)")
      ->check(CLI::Range(1U, grant::kMaxDepth))
      ->type_name("DEPTH");
  command.add_option("--parent", options.parent, "The task that it opens a child of")
      ->type_name("ID");
}

}  // namespace

void add_grant_issue(CLI::App& grant, int& status) {
  const auto options = std::make_shared<IssueOptions>();
  CLI::App* command = grant.add_subcommand("issue", "Sign a grant: allow a task to be opened once");
  command->footer(
      "Run it where the approver's key is; no configuration is needed there, but one that is "
      "there\n"
      "gives the defaults. The key is a PEM file that only its owner can read, or in an HSM:\n"
      "  --key 'pkcs11:token=approvers;object=ops' --module PATH --pin-source file:PATH\n"
      "Whoever has the grant can use it, once, until it expires: hand it over with care.");
  command
      ->add_option("--key", options->key.key,
                   "The approver's private key: a PEM file, or a PKCS#11 URI")
      ->required()
      ->type_name("KEY");
  command
      ->add_option("--kid", options->key_id,
                   "What approvers' files call the key (default: its thumbprint, which they know)")
      ->type_name("NAME");
  add_claims(*command, *options);
  command
      ->add_option("--output", options->output,
                   "A new file for the grant, which only its owner can read (default: standard "
                   "output)")
      ->type_name("FILE");
  add_token_options(*command, options->key);
  add_config_option(*command, options->config);
  command->callback([options, &status] { status = run_issue(*options); });
}

}  // namespace mayfly::tools
