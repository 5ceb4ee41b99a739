// `mayfly audit purge`: old ledgers go.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

void add_audit_purge(CLI::App& audit, int& status);

}  // namespace mayfly::tools
