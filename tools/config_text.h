// A configuration as a file that a person can read and change.
#pragma once

#include <string>

#include "config/config.h"

namespace mayfly::tools {

/// The TOML text of a configuration, every key of its kind of device with a comment; what is as it
/// would be anyway stands there commented out. Config::load() reads the same back.
[[nodiscard]] std::string config_text(const Config& config);

}  // namespace mayfly::tools
