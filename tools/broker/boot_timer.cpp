#include "tools/broker/boot_timer.h"

#include <cerrno>
#include <sys/timerfd.h>
#include <system_error>

namespace mayfly::broker {

Descriptor make_boot_timer(BootClock::time_point when) {
  Descriptor timer(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  const auto since_boot = when.time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(since_boot);
  itimerspec time{};
  time.it_value.tv_sec = whole.count();
  time.it_value.tv_nsec = (since_boot - whole).count();
  if (!timer || timerfd_settime(timer.number(), TFD_TIMER_ABSTIME, &time, nullptr) != 0) {
    throw std::system_error(errno, std::generic_category(), "timerfd");
  }
  return timer;
}

}  // namespace mayfly::broker
