// What bounds the tasks of a process, whatever is asked for.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/utf8.h"
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

  /// What find_policy() has for a name that somebody gave.
  /// @throws Error CKR_ARGUMENTS_BAD if there is none, or no policy has a name here.
  [[nodiscard]] TaskPolicy named_policy(const std::string& name) const {
    if (!find_policy) {
      throw Error(CKR_ARGUMENTS_BAD, "there is no policy " + printable_utf8(name) + " here");
    }
    return find_policy(name);
  }
};

}  // namespace mayfly
