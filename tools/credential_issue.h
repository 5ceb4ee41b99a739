// `mayfly credential issue`: signs a credential for a task's key.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds the subcommand, as tools/commands.h says.
void add_credential_issue(CLI::App& credential, int& status);

}  // namespace mayfly::tools
