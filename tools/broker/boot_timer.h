// Timers that go on while the machine sleeps.
#pragma once

#include "base/clock.h"
#include "base/descriptor.h"

namespace mayfly::broker {

/// A descriptor that can be read from a moment on, by the clock of deadlines: time_point::max() is
/// never. It does not block.
/// @throws std::system_error
[[nodiscard]] Descriptor make_boot_timer(BootClock::time_point when = BootClock::time_point::max());

/// Another moment for such a timer.
/// @throws std::system_error
void set_boot_timer(const Descriptor& timer, BootClock::time_point when);

}  // namespace mayfly::broker
