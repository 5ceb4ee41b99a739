// What bounds the tasks of a process, whatever is asked for.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "core/task_ledger.h"
#include "core/task_policy.h"

namespace mayfly {

struct TaskLimits {
  std::chrono::seconds default_ttl{900};
  std::chrono::seconds max_ttl{86'400};
  std::size_t max_tasks = 10'000;
  TaskPolicy policy{.max_objects = 20'000};  ///< of every task, whatever its request says
  /// The policy of a name, for who opens a task under it; throws Error CKR_ARGUMENTS_BAD if there
  /// is none. Empty where there are no names.
  std::function<TaskPolicy(const std::string&)> find_policy = {};
  std::optional<LedgerPlace> ledger = {};  ///< nothing: no ledger is kept
};

}  // namespace mayfly
