// `mayfly attest verify`.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds the subcommand `verify` to `mayfly attest`; see commands.h.
void add_attest_verify(CLI::App& attest, int& status);

}  // namespace mayfly::tools
