// What signs status lists for `mayfly serve`.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds the hidden subcommand to `mayfly status`.
void add_sign_lists(CLI::App& command, int& status);

}  // namespace mayfly::tools
