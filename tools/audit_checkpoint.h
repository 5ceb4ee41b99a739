// `mayfly audit checkpoint`: which chains there are, signed.
#pragma once

#include <filesystem>

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Where a folder's latest checkpoint lies.
[[nodiscard]] std::filesystem::path checkpoint_path(const std::filesystem::path& folder);

void add_audit_checkpoint(CLI::App& audit, int& status);

}  // namespace mayfly::tools
