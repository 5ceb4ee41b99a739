// `mayfly grant ticket`: a code that stands for a grant.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds the subcommand, as tools/commands.h says.
void add_grant_ticket(CLI::App& grant, int& status);

}  // namespace mayfly::tools
