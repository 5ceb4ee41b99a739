// Opening a task for somebody who asks at the control socket.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "core/task.h"
#include "core/task_book.h"
#include "registry/registry.h"
#include "tools/exit_status.h"
#include "tools/serve/accepted_config.h"
#include "tools/serve/caller.h"
#include "tools/serve/control_request.h"

namespace mayfly::serve {

/// Why a task was not opened.
struct OpeningRefused {
  tools::ExitStatus status = tools::kInternal;
  std::string why;  ///< for who asked: it does not say what is wrong with a grant
};

/// A task that is planned and recorded.
struct RecordedTask {
  TaskPlan plan;
  std::optional<std::uint64_t> number;  ///< in the registry, if it was asked for
};

using OpeningResult = std::variant<RecordedTask, OpeningRefused>;

/// Plans and records a task. It may wait for the registry.
/// @param numbers  Where the task's number is to be found out; null if nobody needs it.
/// @param user  For whom.
[[nodiscard]] OpeningResult open_task(const AcceptedConfig& accepted, TaskBook& book,
                                      Registry* numbers, const ControlRequest& request,
                                      const Caller& caller, uid_t user);

}  // namespace mayfly::serve
