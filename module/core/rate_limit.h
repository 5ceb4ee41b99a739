// How often something may happen.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace mayfly {

/// RateLimit is a token bucket: it fills at a rate, holds what comes in a second, and is full when
/// it is made. It never waits. One atomic number says when the bucket will be full again.
class RateLimit {
 public:
  /// @param per_second  TaskPolicy::kNoLimit for no limit. 0 allows nothing.
  explicit RateLimit(std::uint64_t per_second) noexcept;
  RateLimit(const RateLimit&) = delete;
  RateLimit& operator=(const RateLimit&) = delete;

  /// Takes one out. @return false if the bucket is empty.
  [[nodiscard]] bool take() noexcept { return pause_.load() == 0 || take(BootClock::now()); }
  [[nodiscard]] bool take(BootClock::time_point now) noexcept;
  /// Sets a rate that is lower than the one before; before the first take() only.
  void lower(std::uint64_t per_second) noexcept;

 private:
  std::atomic<BootClock::rep> room_{0};   // in which the empty bucket fills, in nanoseconds
  std::atomic<BootClock::rep> pause_{0};  // in which one comes in; 0 for no limit
  std::atomic<BootClock::rep> full_at_{0};
};

}  // namespace mayfly
