// Word that a task has ended, for a loop that polls.
#pragma once

#include <optional>

#include "base/descriptor.h"
#include "core/task.h"

namespace mayfly::broker {

/// EndNotice waits for a task's end, by whichever thread it is ended.
class EndNotice final : public TaskObserver {
 public:
  /// @throws std::system_error
  EndNotice();

  /// Readable from the end on, until take() is called.
  [[nodiscard]] int descriptor() const noexcept { return event_.number(); }
  /// How the task ended, once; nothing before and after.
  [[nodiscard]] std::optional<TaskState> take() noexcept;

  void task_ended(TaskState cause) noexcept override;

 private:
  Descriptor event_;  // its count is the state, which is not 0
};

}  // namespace mayfly::broker
