// The subcommands of mayfly, one file each.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

// Each of these adds one subcommand to `app`. When the command line asks for it, CLI11 calls it
// back; it then does its work and writes the exit status to `status`, or throws a Failure or an
// Error.

void add_doctor(CLI::App& app, int& status);
void add_init(CLI::App& app, int& status);
void add_reap(CLI::App& app, int& status);
void add_run(CLI::App& app, int& status);

}  // namespace mayfly::tools
