// `mayfly attest --task`.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Makes `mayfly attest`, where no subcommand follows, print evidence of a key of a task that runs
/// now.
void add_attest_task(CLI::App& attest, int& status);

}  // namespace mayfly::tools
