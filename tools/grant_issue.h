// `mayfly grant issue`: signing a grant.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds the subcommand, as tools/commands.h says.
void add_grant_issue(CLI::App& grant, int& status);

}  // namespace mayfly::tools
