// `mayfly grant show`: showing what a grant says.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds the subcommand, as tools/commands.h says.
void add_grant_show(CLI::App& grant, int& status);

}  // namespace mayfly::tools
