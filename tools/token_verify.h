// `mayfly token verify`.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds the subcommand `verify` to `mayfly token`; see commands.h.
void add_token_verify(CLI::App& token, int& status);

}  // namespace mayfly::tools
