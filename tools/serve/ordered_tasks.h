// Tasks of other brokers that were ordered to end.
#pragma once

#include <chrono>
#include <vector>

#include "registry/registry.h"

namespace mayfly::serve {

/// Looks into the registry until all of the tasks have ended, for some time at most.
/// @return what is known of them then, in another order.
/// @throws Error as Registry::tasks().
[[nodiscard]] std::vector<TaskRecord> wait_for_ordered(Registry& registry,
                                                       std::vector<TaskRecord> tasks,
                                                       std::chrono::milliseconds most);

}  // namespace mayfly::serve
