// `mayfly audit verify`: whether ledgers are what tasks' owners wrote.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

void add_audit_verify(CLI::App& audit, int& status);

}  // namespace mayfly::tools
