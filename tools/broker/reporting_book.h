// The book of a worker whose broker keeps the record of its task.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "core/task_book.h"
#include "tools/broker/control_channel.h"

namespace mayfly::broker {

/// ReportingBook tells the broker what becomes of the worker's task: MessageKind::moved. The broker
/// has planned and recorded that task, and its orders come over the control channel. Tasks below
/// it are the worker's own: they are for another book, which is opened for the first of them.
class ReportingBook final : public TaskBook {
 public:
  using OpenBook = std::function<std::shared_ptr<TaskBook>()>;

  /// @param channel  Outlives the book.
  /// @param serial   Of the worker's task.
  ReportingBook(ControlChannel& channel, std::string serial, OpenBook open_book)
      : channel_(channel), serial_(std::move(serial)), open_book_(std::move(open_book)) {}

  /// @throws Error CKR_FUNCTION_NOT_SUPPORTED without a parent: the broker opens those tasks; else
  ///         as the other book's.
  [[nodiscard]] std::unique_ptr<Admission> admit(const TaskRequest& request,
                                                 const ParentTask* parent) override;
  void record(const TaskMove& move) noexcept override;
  [[nodiscard]] std::vector<std::string> ordered_to_end() noexcept override;
  [[nodiscard]] std::vector<std::string> ordered_in_passing() noexcept override;
  void close() noexcept override;

 private:
  [[nodiscard]] std::shared_ptr<TaskBook> below() const noexcept;
  void report(const TaskMove& move) noexcept;

  ControlChannel& channel_;
  const std::string serial_;
  const OpenBook open_book_;
  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<TaskBook> below_;
};

}  // namespace mayfly::broker
