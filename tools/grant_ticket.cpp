#include "tools/grant_ticket.h"

#include <iostream>
#include <memory>

#include "base/clock.h"
#include "compose/registry.h"
#include "grant/refused.h"
#include "grant/ticket.h"
#include "grant/trusted_approvers.h"
#include "grant/verify.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/grant_text.h"
#include "tools/new_files.h"

namespace mayfly::tools {
namespace {

struct TicketOptions {
  std::string file;
  std::string config;
  std::string output;
};

/// The grant that a ticket is to stand for: one that the broker would take, as far as it does not
/// depend on which task asks.
grant::Grant check_grant(const std::string& text, const Config& config) {
  if (config.grants.approvers.empty() || config.grants.audience.empty()) {
    throw Failure(kUsage,
                  "a ticket is for a broker that takes grants; set grants.approvers and "
                  "grants.audience in its configuration");
  }
  try {
    grant::Expectations expected;
    expected.audience = config.grants.audience;
    expected.now_unix_s = unix_now_s();
    expected.clock_skew = config.grants.clock_skew;
    expected.max_life = config.grants.max_life;
    expected.max_ttl = config.task.max_ttl;
    expected.parent = grant::read_unverified(text).grant.parent;
    const auto approvers = grant::TrustedApprovers(config.grants.approvers.string()).current();
    return grant::verify(text, *approvers, expected).grant;
  } catch (const grant::Refused& refused) {
    throw Failure(kGrantRefused, refused.what());
  }
}

int run_ticket(const TicketOptions& options) {
  const Config config = load_configuration(options.config);
  const std::string text = read_grant(options.file);
  const grant::Grant grant = check_grant(text, config);
  const grant::Ticket ticket = grant::make_ticket();
  open_registry(config, RegistryUse::broker)->add_ticket(ticket.digest, text, grant.expires);
  const std::string line = std::string(as_text(ticket.text.view())) + "\n";
  if (options.output.empty()) {
    std::cout << line << std::flush;
  } else {
    write_new_file(options.output, as_bytes(line));
  }
  return kOk;
}

}  // namespace

void add_grant_ticket(CLI::App& grant, int& status) {
  const auto options = std::make_shared<TicketOptions>();
  CLI::App* command =
      grant.add_subcommand("ticket", "Get a short code that stands for a grant, as a PIN");
  command->footer(
      "For clients that log in with a PIN, which many cut at 32 characters: a ticket has 26. It\n"
      "can be used once, until its grant expires, wherever the grant could. Run it where the\n"
      "broker is: the grant is kept in its registry.");
  command->add_option("file", options->file, "The grant; - reads standard input")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--output", options->output,
                   "A new file for the ticket, which only its owner can read (default: standard "
                   "output)")
      ->type_name("FILE");
  add_config_option(*command, options->config);
  command->callback([options, &status] { status = run_ticket(*options); });
}

}  // namespace mayfly::tools
