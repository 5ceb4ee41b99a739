// Opening a task for somebody who asks at the control socket.
#pragma once

#include <memory>
#include <variant>

#include "core/task.h"
#include "core/task_book.h"
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

using OpeningResult = std::variant<TaskPlan, OpeningRefused>;

/// Plans and records a task. It may wait for the registry.
/// @param user  For whom.
[[nodiscard]] OpeningResult open_task(const AcceptedConfig& accepted, TaskBook& book,
                                      const ControlRequest& request, const Caller& caller,
                                      uid_t user);

}  // namespace mayfly::serve
