// Deciding whether a task may be opened, and as what.
#pragma once

#include <memory>

#include "core/task.h"
#include "core/task_book.h"
#include "core/task_limits.h"
#include "core/task_request.h"

namespace mayfly {

/// A task that may be opened.
struct PlannedTask {
  TaskPlan plan;
  std::unique_ptr<Admission> admission;  ///< null for one that awaits its grant

  /// Has the book record the opening, which spends the grant.
  /// @throws Error as Admission::record().
  void record(const Task* parent) const;
};

/// Measures a request against the limits, its grant and the task above, of which the tightest
/// holds.
/// @param has_login  Whether there is a PIN for tasks that require a login.
/// @param parent     The task above; null for none.
/// @throws Error CKR_ARGUMENTS_BAD for an ID that check_task_id() refuses and for a ttl that is not
///         within 1 s and the most allowed; CKR_FUNCTION_REJECTED for what a policy or the task
///         above does not allow; CKR_DEVICE_REMOVED when that has ended; as TaskBook::admit().
[[nodiscard]] PlannedTask plan_task(const TaskLimits& limits, bool has_login, TaskBook& book,
                                    const TaskRequest& request, const Task* parent);

/// What a task that awaits its grant is under what an admission allows.
[[nodiscard]] TaskPlan plan_with(const Task& task, const Terms& terms);

}  // namespace mayfly
