// `mayfly attest enroll`.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds the subcommand `enroll` to `mayfly attest`; see commands.h.
void add_attest_enroll(CLI::App& attest, int& status);

}  // namespace mayfly::tools
