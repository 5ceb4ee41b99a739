#include "tools/credential_issue.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include "base/jws_algorithm.h"
#include "base/log.h"
#include "base/random.h"
#include "base/task_binding.h"
#include "base/utf8.h"
#include "credential/spiffe_id.h"
#include "credential/ssh/certificate.h"
#include "credential/wit/wit.h"
#include "credential/x509/certificate_fields.h"
#include "credential/x509/pem.h"
#include "credential/x509/task_certificate.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/duration_option.h"
#include "tools/failure.h"
#include "tools/issuer_key.h"
#include "tools/key_choice.h"
#include "tools/live_key.h"
#include "tools/new_files.h"
#include "tools/serve/control_client.h"
#include "tools/task_door.h"
#include "tools/utc_text.h"

namespace mayfly::tools {
namespace {

constexpr std::uint64_t kSkew_s = 30;  // clocks that are behind
constexpr std::size_t kTokenIdSize = 16;

struct IssueOptions {
  std::string type;
  std::string task;
  std::string key;
  std::string config;
  std::string output;
  std::string valid_for;
  bool server = false;                  // x509
  std::vector<std::string> principals;  // ssh, as the rest
  std::vector<std::string> extensions;
  std::string force_command;
  std::string source_address;
};

/// What was made, and what the log says of it.
struct Credential {
  std::string text;
  Bytes certificate;  ///< x509: DER, for the task's token
  std::string what;
  std::uint64_t last_unix_s = 0;
};

Credential make_x509(const IssueOptions& options, const Config& config, const LiveKey& live,
                     Issuer& issuer) {
  if (issuer.certificate.not_after_unix_s <= live.now_unix_s) {
    throw Failure(kBadConfiguration, config.issuer.certificate.string() +
                                         " has expired; move it away and run: mayfly issuer init");
  }
  x509::TaskCertificate wanted;
  wanted.trust_domain = config.issuer.trust_domain;
  wanted.task_id = live.task_id;
  wanted.serial = live.serial;
  wanted.not_before_unix_s =
      std::max(live.now_unix_s - kSkew_s, issuer.certificate.not_before_unix_s);
  // The last second counts as a whole.
  wanted.not_after_unix_s = std::min(live.end_unix_s - 1, issuer.certificate.not_after_unix_s);
  wanted.server = options.server;
  Credential made;
  made.certificate =
      x509::make_task_certificate(wanted, live.key.public_key, issuer.certificate, *issuer.key);
  made.text = x509::to_pem("CERTIFICATE", made.certificate);
  // Of the DER of an INTEGER, the digits.
  made.what =
      "X.509 certificate " + to_hex(ByteView(x509::fields_of(made.certificate).serial).subspan(2));
  made.last_unix_s = wanted.not_after_unix_s;
  return made;
}

/// Where the task stands in the status list of the broker that serves it. Only that broker says
/// when the task has ended, so nobody else's word counts.
std::optional<credential::StatusReference> find_place(const Config& config, const LiveKey& live) {
  if (!config.status.has_list()) return std::nullopt;
  auto broker = serve::ControlClient::connect(config.serve.socket);
  nlohmann::json tasks = nlohmann::json::array();
  try {
    serve::ControlRequest request;
    request.verb = serve::Verb::show;
    request.serial = live.serial;
    if (broker) tasks = broker->ask(request).at("tasks");
  } catch (const Failure& failure) {
    if (failure.status() != kNoInput) throw;  // it serves other tasks
  }
  for (const auto& task : tasks) {
    if (!task.contains("status_list")) continue;
    const auto& place = task.at("status_list");
    return credential::StatusReference{place.at("uri"), place.at("idx")};
  }
  log::warn("task \"" + printable_utf8(live.task_id) + "\" (serial " + live.serial +
            ") stands in no status list: it is not one of the broker at " +
            config.serve.socket.string());
  return std::nullopt;
}

Credential make_wit(const Config& config, const LiveKey& live, Issuer& issuer) {
  const auto algorithm = jws_algorithm_of(live.key.public_key.spec());
  if (!algorithm) throw Error(CKR_ARGUMENTS_BAD, "the key is of a kind that makes no proofs");
  const credential::Wit wit{
      credential::spiffe_id(config.issuer.trust_domain),
      credential::spiffe_id(config.issuer.trust_domain, live.task_id, live.serial),
      random_hex(kTokenIdSize, "a token's ID"),
      live.now_unix_s,
      live.end_unix_s,
      live.key.public_key,
      *algorithm,
      live.task_id,
      live.serial,
      live.deadline_unix_s,
      find_place(config, live)};
  Credential made;
  made.text = credential::issue_wit(wit, "", *issuer.key, live.now_unix_s) + "\n";
  made.what = "workload identity token " + wit.id;
  made.last_unix_s = wit.expires - 1;
  return made;
}

Credential make_ssh(const IssueOptions& options, const LiveKey& live, Issuer& issuer) {
  ssh::TaskCertificate wanted;
  wanted.task_id = live.task_id;
  wanted.serial = live.serial;
  wanted.principals = options.principals;
  wanted.valid_after_unix_s = live.now_unix_s - kSkew_s;
  wanted.valid_before_unix_s = live.end_unix_s;
  if (!options.force_command.empty()) {
    wanted.critical_options["force-command"] = options.force_command;
  }
  if (!options.source_address.empty()) {
    wanted.critical_options["source-address"] = options.source_address;
  }
  wanted.extensions = options.extensions;
  Credential made;
  made.text = ssh::make_certificate(wanted, live.key.public_key, *issuer.key) + " " +
              printable_utf8(live.task_id) + "\n";
  std::string users;
  for (const std::string& name : options.principals) users += (users.empty() ? "" : ", ") + name;
  made.what = "SSH certificate for " + users;
  made.last_unix_s = wanted.valid_before_unix_s - 1;
  return made;
}

Credential make(const IssueOptions& options, const Config& config, const LiveKey& live,
                Issuer& issuer) {
  try {
    if (options.type == "ssh") return make_ssh(options, live, issuer);
    if (options.type == "wit") return make_wit(config, live, issuer);
    return make_x509(options, config, live, issuer);
  } catch (const Error& error) {
    if (error.rv() != CKR_ARGUMENTS_BAD) throw;
    throw Failure(kUsage, error.what());
  }
}

void check_usage(const IssueOptions& options) {
  const bool for_ssh = !options.principals.empty() || !options.extensions.empty() ||
                       !options.force_command.empty() || !options.source_address.empty();
  if (options.type == "ssh" && options.principals.empty()) {
    throw Failure(kUsage, "say which user of the servers: --principal NAME");
  }
  if (options.type != "ssh" && for_ssh) {
    throw Failure(kUsage,
                  "--principal, --extension, --force-command and --source-address go with --type "
                  "ssh");
  }
  if (options.type != "x509" && options.server) throw Failure(kUsage, "--server goes with x509");
  std::error_code unreachable;
  if (!options.output.empty() && std::filesystem::exists(options.output, unreachable)) {
    throw Failure(kAlreadyExists, options.output + " is there already; name another file");
  }
}

void write_out(const IssueOptions& options, const std::string& text) {
  if (options.output.empty()) {
    std::cout << text;
  } else {
    write_new_file(options.output, as_bytes(text));
  }
}

std::string name_of_key(const LiveKey& live) {
  return "task \"" + printable_utf8(live.task_id) + "\" (serial " + live.serial + "), key " +
         to_hex(thumbprint(live.key.public_key));
}

int issue(const IssueOptions& options, const Config& config) {
  std::optional<std::chrono::seconds> valid_for;
  if (!options.valid_for.empty()) valid_for = duration_option("--valid-for", options.valid_for);
  std::optional<SecretBuffer> pin;
  if (config.login.pin_source) pin = config.login.pin_source->read();
  TaskToken token(find_task_door(options.task, options.config).path, std::move(pin));
  const LiveKey live = find_live_key(token, config, options.key, valid_for);
  Issuer issuer = open_issuer(config);
  const Credential made = make(options, config, live, issuer);
  // What was signed while the task ended is never given out.
  require_open(token);
  log::info("issued " + made.what + " to " + name_of_key(live) + ", until " +
            utc_text(made.last_unix_s));
  if (!made.certificate.empty()) token.put_certificate(live.key, made.certificate);
  write_out(options, made.text);
  return kOk;
}

int run_issue(const IssueOptions& options) {
  check_usage(options);
  const Config config = load_configuration(options.config);
  // What an issuer signed is to be found again, whatever else is left unsaid.
  const bool silent = config.log.level == log::Level::off;
  log::configure(silent ? log::Level::off : std::min(config.log.level, log::Level::info),
                 config.log.file.string());
  const auto refuse = [&](const std::string& why) {
    // Without a file, the command's own last line says it at the same place.
    if (!config.log.file.empty()) {
      log::warn("no " + options.type + " credential for task \"" + printable_utf8(options.task) +
                "\": " + why);
    }
  };
  try {
    return issue(options, config);
  } catch (const Failure& failure) {
    refuse(failure.what());
    throw;
  } catch (const Error& error) {
    refuse(error.what());
    throw;
  }
}

void add_ssh_options(CLI::App& command, IssueOptions& options) {
  command
      .add_option("--principal", options.principals,
                  "ssh: a user that the certificate logs in; may be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME");
  command
      .add_option("--extension", options.extensions,
                  "ssh: what it permits beside commands, such as permit-pty; may be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME");
  command
      .add_option("--force-command", options.force_command, "ssh: the only command that it runs")
      ->type_name("COMMAND");
  command
      .add_option("--source-address", options.source_address,
                  "ssh: the only addresses that it is good from, apart by commas")
      ->type_name("CIDR");
}

}  // namespace

void add_credential_issue(CLI::App& credential, int& status) {
  const auto options = std::make_shared<IssueOptions>();
  CLI::App* command =
      credential.add_subcommand("issue", "Sign a certificate of a task's key with the issuer's");
  command->footer(
      "The key must be on the task's token. It signs a challenge first, so one signature of the\n"
      "task is used. No certificate is valid after the task's deadline. One of X.509 is also put "
      "on\n"
      "the task's token, beside its key, where TLS clients find it.");
  command
      ->add_option("--type", options->type,
                   "wit (a token, with which the key makes proofs), x509 or ssh")
      ->required()
      ->check(CLI::IsMember({"wit", "x509", "ssh"}))
      ->type_name("TYPE");
  add_task_key_options(*command, options->task, options->key);
  command->add_option("--out", options->output, "A new file for it (default: standard output)")
      ->type_name("FILE");
  command
      ->add_option("--valid-for", options->valid_for,
                   "How long it is valid at most (default: issuer.max-life)")
      ->type_name("TIME");
  command->add_flag("--server", options->server, "x509: for TLS servers as well");
  add_ssh_options(*command, *options);
  add_config_option(*command, options->config);
  command->callback([options, &status] { status = run_issue(*options); });
}

}  // namespace mayfly::tools
