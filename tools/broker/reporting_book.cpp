#include "tools/broker/reporting_book.h"

#include "base/error.h"
#include "base/log.h"

namespace mayfly::broker {

std::unique_ptr<Admission> ReportingBook::admit(const TaskRequest&, const ParentTask*) {
  throw Error(CKR_FUNCTION_NOT_SUPPORTED,
              "a worker of `mayfly serve` opens no tasks; the broker does: mayfly open");
}

void ReportingBook::record(const TaskMove& move) noexcept {
  try {
    Message message;
    message.kind = MessageKind::moved;
    message.state = move.to;
    message.destroyed = move.destroyed;
    message.pending = move.pending;
    message.text = move.serial;
    if (!channel_.send(message)) log::error("the broker could not be told of a task's state");
  } catch (const std::exception& error) {
    log::warn("the broker could not be told of a task's state", error);
  }
}

}  // namespace mayfly::broker
