#include "core/rate_limit.h"

#include <algorithm>

#include "base/safeguard.h"
#include "core/task_policy.h"

namespace mayfly {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

}  // namespace

RateLimit::RateLimit(std::uint64_t per_second) noexcept { lower(per_second); }

void RateLimit::lower(std::uint64_t per_second) noexcept {
  if (per_second == TaskPolicy::kNoLimit) return;
  const std::uint64_t rate = std::min(per_second, kSecond);  // no clock tells more apart
  // Rounded up: rather a little less than the rate than a little more.
  const std::uint64_t pause = rate == 0 ? 1 : (kSecond + rate - 1) / rate;
  room_.store(static_cast<BootClock::rep>(pause * rate));
  pause_.store(static_cast<BootClock::rep>(pause));
}

bool RateLimit::take(BootClock::time_point time) noexcept {
  const BootClock::rep now = time.time_since_epoch().count();
  const BootClock::rep pause = pause_.load();
  const BootClock::rep room = room_.load();
  BootClock::rep full_at = full_at_.load();
  while (true) {
    const BootClock::rep next = std::max(full_at, now) + pause;
    if (next - now > room && kept(Safeguard::rate)) return false;
    if (full_at_.compare_exchange_weak(full_at, next)) return true;
  }
}

}  // namespace mayfly
