// Who is inside the module, so that nobody is there when it is taken down.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace mayfly::api {

/// CallGate counts the calls that are under way. Entering costs two uncontended atomic operations
/// on a counter that few threads share; closing waits until all who entered have left.
class CallGate {
 public:
  /// Opens the gate, and forgets threads of a parent that were inside when this process was forked.
  /// Threads of this process stay counted: one may be about to find that it came too late.
  /// @param epoch  ForkEpoch::current(): another one in each forked child.
  void open(std::uint64_t epoch) noexcept;

  /// False when the gate is closed. Each true must be followed by leave(stripe).
  [[nodiscard]] bool enter(std::size_t& stripe) noexcept;
  void leave(std::size_t stripe) noexcept;

  /// Lets nobody in any more. False if it was closed already.
  [[nodiscard]] bool close() noexcept;
  /// Waits until all have left. The gate must be closed.
  void wait_until_empty() noexcept;
  /// The same for a time at most.
  void wait_until_empty(std::chrono::milliseconds most) noexcept;
  /// Whether somebody is inside. Certain only when nobody can come or leave meanwhile, as in a
  /// forked child, which finds the counts of the parent's threads.
  [[nodiscard]] bool is_occupied() const noexcept;

 private:
  static constexpr std::size_t kStripes = 32;

  struct alignas(64) Stripe {
    std::atomic<std::uint32_t> inside{0};
  };

  std::atomic<bool> open_{false};
  std::uint64_t epoch_ = 0;  // of those who are counted; one thread at a time opens
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace mayfly::api
