#include "tools/broker/end_notice.h"

#include <sys/eventfd.h>

#include "tools/broker/event_descriptor.h"

namespace mayfly::broker {

EndNotice::EndNotice() : event_(make_event()) {}

std::optional<TaskState> EndNotice::take() noexcept {
  eventfd_t state = 0;
  if (eventfd_read(event_.number(), &state) != 0) return std::nullopt;
  return static_cast<TaskState>(state);
}

void EndNotice::task_ended(TaskState cause) noexcept {
  eventfd_write(event_.number(), static_cast<eventfd_t>(cause));
}

}  // namespace mayfly::broker
