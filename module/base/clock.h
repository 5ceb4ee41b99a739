// The clock of deadlines.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

namespace mayfly {

/// CLOCK_BOOTTIME as a std::chrono clock: it goes on while the machine sleeps, and nobody can set
/// it.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept {
    timespec time{};
    clock_gettime(CLOCK_BOOTTIME, &time);
    return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
  }
};

/// Seconds since 1970, UTC, of the wall clock, which anybody may set: for what others are told.
inline std::uint64_t unix_now_s() noexcept {
  return static_cast<std::uint64_t>(std::time(nullptr));
}

}  // namespace mayfly
