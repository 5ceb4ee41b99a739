// A book that asks before a task is opened.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "core/task_book.h"

namespace mayfly {

/// The terminal at which a person can be asked: $MAYFLY_TERMINAL, else what a standard stream is;
/// empty for none.
[[nodiscard]] std::string asking_terminal();

/// ApprovedBook asks a program (approval.command) each time before a task is opened, once the grant
/// was found to hold and before it is spent, and leaves everything else to another book.
///
/// The program finds on its standard input one JSON object, of which members may come: `task`,
/// `agent`, `user` (number of the user that asks), and where they are there `parent`, `ttl`
/// (seconds that were asked for), `max_ttl`, `grant` (its jti), `approver`, `scope`, `max_keys`,
/// `max_signatures`, `mechanisms`, and `terminal`, the path of the terminal that mayfly was started
/// at. What it writes, up to 1 KiB, stands in the log.
class ApprovedBook final : public TaskBook {
 public:
  ApprovedBook(std::shared_ptr<TaskBook> book, ApprovalConfig config)
      : book_(std::move(book)), config_(std::move(config)) {}

  /// @throws Error as the other book's; CKR_FUNCTION_REJECTED when the program does not approve, in
  ///         whatever way.
  [[nodiscard]] std::unique_ptr<Admission> admit(const TaskRequest& request,
                                                 const ParentTask* parent) override;
  void record(const TaskMove& move) noexcept override { book_->record(move); }
  [[nodiscard]] std::vector<std::string> ordered_to_end() noexcept override {
    return book_->ordered_to_end();
  }
  [[nodiscard]] std::vector<std::string> ordered_in_passing() noexcept override {
    return book_->ordered_in_passing();
  }
  void close() noexcept override { book_->close(); }

 private:
  void ask(const std::string& question, const std::string& task_id) const;

  const std::shared_ptr<TaskBook> book_;
  const ApprovalConfig config_;
};

}  // namespace mayfly
