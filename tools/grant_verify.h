// `mayfly grant verify`: verifying a grant as a broker does.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds the subcommand, as tools/commands.h says.
void add_grant_verify(CLI::App& grant, int& status);

}  // namespace mayfly::tools
