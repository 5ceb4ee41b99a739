// From a configuration to its registry: the only place that names concrete ones.
#pragma once

#include <memory>

#include "config/config.h"
#include "registry/registry.h"

namespace mayfly {

/// Who uses a registry.
enum class RegistryUse {
  host,    ///< any process that loads libmayfly.so: no connection is kept from call to call
  broker,  ///< a process of mayfly's own: connections to a database are kept
};

/// Opens the registry that the configuration names. One must be named: RegistryConfig::is_there().
/// @throws Error what is wrong with it, or with the source of its password.
[[nodiscard]] std::unique_ptr<Registry> open_registry(const Config& config, RegistryUse use);

}  // namespace mayfly
