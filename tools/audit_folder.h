// The folder of ledgers that the command line means.
#pragma once

#include <filesystem>
#include <string>

#include "config/config.h"

namespace mayfly::tools {

/// @param named   What --folder said; empty takes the configuration's.
/// @throws Failure kUsage for a configuration that names none.
[[nodiscard]] std::filesystem::path ledger_folder(const std::string& named, const Config& config);

/// The same, and the configuration is read only if it is needed.
/// @param config_file  What --config said.
/// @throws Failure also as load_configuration().
[[nodiscard]] std::filesystem::path ledger_folder(const std::string& named,
                                                  const std::string& config_file);

}  // namespace mayfly::tools
