// From a configuration to the book of its tasks.
#pragma once

#include <memory>

#include "compose/registry_book.h"
#include "config/config.h"
#include "core/task_book.h"

namespace mayfly {

/// What has the say on grants and records the tasks of one process.
struct Books {
  std::shared_ptr<TaskBook> all;  ///< to be asked and told
  std::shared_ptr<RegistryBook>
      registry;  ///< that of it which is kept in a registry; null for none
};

/// @throws Error as open_registry().
[[nodiscard]] Books open_books(const Config& config, BookUpkeep upkeep);

}  // namespace mayfly
