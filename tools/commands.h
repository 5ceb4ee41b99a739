// The subcommands of mayfly, one file each.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds --config to a subcommand.
inline void add_config_option(CLI::App& command, std::string& file) {
  command
      .add_option("--config", file,
                  "The configuration (default: $MAYFLY_CONF, then the user's, then the one in "
                  "/etc/mayfly)")
      ->type_name("FILE");
}

// Each of these adds one subcommand to `app`. When the command line asks for it, CLI11 calls it
// back; it then does its work and writes the exit status to `status`, or throws a Failure or an
// Error.

void add_attest(CLI::App& app, int& status);
void add_bench(CLI::App& app, int& status);
void add_close(CLI::App& app, int& status);
void add_completion(CLI::App& app, int& status);
void add_credential(CLI::App& app, int& status);
void add_audit(CLI::App& app, int& status);
void add_doctor(CLI::App& app, int& status);
void add_drill(CLI::App& app, int& status);
void add_grant(CLI::App& app, int& status);
void add_init(CLI::App& app, int& status);
void add_issuer(CLI::App& app, int& status);
void add_list(CLI::App& app, int& status);
void add_open(CLI::App& app, int& status);
void add_policy(CLI::App& app, int& status);
void add_proof(CLI::App& app, int& status);
void add_reap(CLI::App& app, int& status);
void add_registry(CLI::App& app, int& status);
void add_revoke(CLI::App& app, int& status);
void add_run(CLI::App& app, int& status);
void add_serve(CLI::App& app, int& status);
void add_show(CLI::App& app, int& status);
void add_status(CLI::App& app, int& status);
void add_token(CLI::App& app, int& status);

}  // namespace mayfly::tools
