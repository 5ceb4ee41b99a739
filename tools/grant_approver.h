// `mayfly grant approver`: whom brokers are to trust.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds the subcommand, as tools/commands.h says.
void add_grant_approver(CLI::App& grant, int& status);

}  // namespace mayfly::tools
