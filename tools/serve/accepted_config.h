// The configuration that a broker works with.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "config/config.h"

namespace mayfly::serve {

/// A configuration as it was read and found good. A file that is changed later, for better or
/// worse, changes nothing before it is read again.
struct AcceptedConfig {
  Config config;
  std::string text;  ///< what the file said

  /// @throws Error as Config::load().
  [[nodiscard]] static std::shared_ptr<AcceptedConfig> read(const std::filesystem::path& file) {
    auto accepted = std::make_shared<AcceptedConfig>();
    accepted->text = Config::read(file);
    accepted->config = Config::parse(accepted->text, file);
    return accepted;
  }
};

/// Gives the configuration as it is now.
using CurrentConfig = std::function<std::shared_ptr<const AcceptedConfig>()>;

}  // namespace mayfly::serve
