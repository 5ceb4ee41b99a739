#include "tools/broker/reporting_book.h"

#include <chrono>

#include "base/error.h"
#include "base/log.h"

namespace mayfly::broker {
namespace {

constexpr std::chrono::seconds kReportTime{5};

}  // namespace

std::unique_ptr<Admission> ReportingBook::admit(const TaskRequest& request,
                                                const ParentTask* parent) {
  if (parent == nullptr) {
    throw Error(CKR_FUNCTION_NOT_SUPPORTED,
                "a worker of `mayfly serve` opens no tasks; the broker does: mayfly open");
  }
  std::shared_ptr<TaskBook> book;
  {
    const std::scoped_lock lock(mutex_);
    if (below_ == nullptr) below_ = open_book_();
    book = below_;
  }
  return book->admit(request, parent);
}

std::shared_ptr<TaskBook> ReportingBook::below() const noexcept {
  const std::scoped_lock lock(mutex_);
  return below_;
}

void ReportingBook::record(const TaskMove& move) noexcept {
  if (move.serial == serial_) {
    report(move);
  } else if (const auto book = below()) {
    book->record(move);
  }
}

void ReportingBook::report(const TaskMove& move) noexcept {
  try {
    Message message;
    message.kind = MessageKind::moved;
    message.state = move.to;
    message.destroyed = move.destroyed;
    message.pending = move.pending;
    message.text = move.serial + to_hex(move.ledger_key);
    // The broker may be behind with what an agent does all the time. It must not miss the end.
    const auto deadline = std::chrono::steady_clock::now() + kReportTime;
    if (!channel_.send_by(deadline, message)) {
      log::error("the broker could not be told of a task's state");
    }
  } catch (const std::exception& error) {
    log::warn("the broker could not be told of a task's state", error);
  }
}

std::vector<std::string> ReportingBook::ordered_to_end() noexcept {
  const auto book = below();
  if (book == nullptr) return {};
  return book->ordered_to_end();
}

std::vector<std::string> ReportingBook::ordered_in_passing() noexcept {
  const auto book = below();
  if (book == nullptr) return {};
  return book->ordered_in_passing();
}

void ReportingBook::close() noexcept {
  if (const auto book = below()) book->close();
}

}  // namespace mayfly::broker
