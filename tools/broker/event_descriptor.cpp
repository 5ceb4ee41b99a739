#include "tools/broker/event_descriptor.h"

#include <cerrno>
#include <sys/eventfd.h>
#include <system_error>

namespace mayfly::broker {

Descriptor make_event() {
  Descriptor event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) throw std::system_error(errno, std::generic_category(), "eventfd");
  return event;
}

}  // namespace mayfly::broker
