// A number of times that something may happen.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "core/task_policy.h"

namespace mayfly {

/// Allowance counts what may happen a number of times and never once more, however many threads
/// there are. Each time begins with take(), and ends with give_back() if certainly nothing came of
/// it, else with spend(). Without a limit nothing is counted.
class Allowance {
 public:
  explicit Allowance(std::uint64_t most) noexcept : most_(most) {}
  Allowance(const Allowance&) = delete;
  Allowance& operator=(const Allowance&) = delete;

  /// False if all is taken. What is taken may still be given back.
  [[nodiscard]] bool take() noexcept;
  void give_back() noexcept;
  /// @return whether that was the last time: all is spent now. True once only.
  [[nodiscard]] bool spend() noexcept;

  [[nodiscard]] std::uint64_t most() const noexcept { return most_.load(); }
  /// Allows fewer; before the first take() only.
  void lower(std::uint64_t most) noexcept { most_.store(std::min(most, this->most())); }

 private:
  [[nodiscard]] bool is_limited() const noexcept { return most() != TaskPolicy::kNoLimit; }

  std::atomic<std::uint64_t> most_;
  std::atomic<std::uint64_t> taken_{0};
  std::atomic<std::uint64_t> spent_{0};
};

}  // namespace mayfly
