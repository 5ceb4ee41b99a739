// `mayfly audit show`: the story that ledgers tell.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

void add_audit_show(CLI::App& audit, int& status);

}  // namespace mayfly::tools
