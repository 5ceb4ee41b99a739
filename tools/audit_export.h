// `mayfly audit export`: ledgers for those who collect logs.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

void add_audit_export(CLI::App& audit, int& status);

}  // namespace mayfly::tools
