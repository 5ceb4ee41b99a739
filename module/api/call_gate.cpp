#include "api/call_gate.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace mayfly::api {
namespace {

/// Spreads threads over the stripes in the order in which they first come.
std::size_t stripe_of_this_thread(std::size_t stripes) noexcept {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed);
  return mine % stripes;
}

}  // namespace

void CallGate::open(std::uint64_t epoch) noexcept {
  if (std::exchange(epoch_, epoch) != epoch) {
    for (Stripe& stripe : stripes_) stripe.inside.store(0);
  }
  open_.store(true);
}

bool CallGate::enter(std::size_t& stripe) noexcept {
  stripe = stripe_of_this_thread(kStripes);
  // Sequentially consistent with close(): either it sees this count, or this sees the closed gate.
  stripes_[stripe].inside.fetch_add(1);
  if (open_.load()) return true;
  leave(stripe);
  return false;
}

void CallGate::leave(std::size_t stripe) noexcept {
  std::atomic<std::uint32_t>& inside = stripes_[stripe].inside;
  if (inside.fetch_sub(1) == 1 && !open_.load()) inside.notify_all();
}

bool CallGate::close() noexcept { return open_.exchange(false); }

void CallGate::wait_until_empty() noexcept {
  for (Stripe& stripe : stripes_) {
    for (auto inside = stripe.inside.load(); inside != 0; inside = stripe.inside.load()) {
      stripe.inside.wait(inside);
    }
  }
}

void CallGate::wait_until_empty(std::chrono::milliseconds most) noexcept {
  const auto deadline = std::chrono::steady_clock::now() + most;
  while (is_occupied() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool CallGate::is_occupied() const noexcept {
  return std::ranges::any_of(stripes_, [](const Stripe& stripe) { return stripe.inside != 0; });
}

}  // namespace mayfly::api
