// The configuration, as the subcommands get at it.
#pragma once

#include <map>
#include <string>

#include "config/config.h"

namespace mayfly::tools {

/// Finds and loads the configuration.
/// @param explicit_path  What --config said; empty looks in the usual places.
/// @throws Failure kNoConfiguration or kBadConfiguration.
[[nodiscard]] Config load_configuration(const std::string& explicit_path);

/// Sets the environment variables that the device's library reads. To be called before any thread
/// is started and before the library is loaded.
void set_device_environment(const std::map<std::string, std::string>& variables);

}  // namespace mayfly::tools
