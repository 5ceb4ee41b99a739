// What bounds the tasks of a process, whatever is asked for.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "core/task_ledger.h"
#include "core/task_policy.h"

namespace mayfly {

struct TaskLimits {
  std::chrono::seconds default_ttl{900};
  std::chrono::seconds max_ttl{86'400};
  std::size_t max_tasks = 10'000;
  TaskPolicy policy{.max_objects = 20'000};  ///< of every task, whatever its request says
  std::optional<LedgerPlace> ledger = {};    ///< nothing: no ledger is kept
};

}  // namespace mayfly
