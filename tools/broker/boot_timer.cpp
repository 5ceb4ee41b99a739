#include "tools/broker/boot_timer.h"

#include <algorithm>
#include <cerrno>
#include <sys/timerfd.h>
#include <system_error>

namespace mayfly::broker {

Descriptor make_boot_timer(BootClock::time_point when) {
  Descriptor timer(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) throw std::system_error(errno, std::generic_category(), "timerfd");
  set_boot_timer(timer, when);
  return timer;
}

void set_boot_timer(const Descriptor& timer, BootClock::time_point when) {
  itimerspec time{};
  if (when != BootClock::time_point::max()) {
    const auto since_boot = when.time_since_epoch();
    const auto whole = std::chrono::floor<std::chrono::seconds>(since_boot);
    time.it_value.tv_sec = whole.count();
    // All zero would switch it off.
    time.it_value.tv_nsec = std::max<long>((since_boot - whole).count(), 1);
  }
  if (timerfd_settime(timer.number(), TFD_TIMER_ABSTIME, &time, nullptr) != 0) {
    throw std::system_error(errno, std::generic_category(), "timerfd");
  }
}

}  // namespace mayfly::broker
