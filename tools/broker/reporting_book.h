// The book of a worker whose broker keeps the record of tasks.
#pragma once

#include "core/task_book.h"
#include "tools/broker/control_channel.h"

namespace mayfly::broker {

/// ReportingBook tells the broker what becomes of the worker's task: MessageKind::moved. The broker
/// has planned and recorded the task, and its orders come over the control channel.
class ReportingBook final : public TaskBook {
 public:
  /// @param channel  Outlives the book.
  explicit ReportingBook(ControlChannel& channel) : channel_(channel) {}

  /// @throws Error CKR_FUNCTION_NOT_SUPPORTED: the broker alone opens tasks.
  [[nodiscard]] std::unique_ptr<Admission> admit(const TaskRequest& request,
                                                 const ParentTask* parent) override;
  void record(const TaskMove& move) noexcept override;
  [[nodiscard]] std::vector<std::string> ordered_to_end() noexcept override { return {}; }
  void close() noexcept override {}

 private:
  ControlChannel& channel_;
};

}  // namespace mayfly::broker
