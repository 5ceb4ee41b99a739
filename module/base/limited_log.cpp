#include "base/limited_log.h"

#include <algorithm>
#include <chrono>

namespace mayfly::log {

std::optional<std::uint64_t> LimitedLog::admit() noexcept {
  using std::chrono::nanoseconds;
  static constexpr std::int64_t kInterval = nanoseconds(std::chrono::seconds(1)).count();
  const std::int64_t now = nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  // Each line costs a second; as much as a burst may be owed.
  std::int64_t paid_until = paid_until_.load(std::memory_order_relaxed);
  std::int64_t next = 0;
  do {
    next = std::max(paid_until, now - kInterval) + kInterval;
    if (next > now + (kBurst - 1) * kInterval) {
      left_out_.fetch_add(1, std::memory_order_relaxed);
      return std::nullopt;
    }
  } while (!paid_until_.compare_exchange_weak(paid_until, next, std::memory_order_relaxed));
  return left_out_.exchange(0, std::memory_order_relaxed);
}

}  // namespace mayfly::log
