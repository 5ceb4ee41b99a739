// How much a task's keys are used, for those who watch the broker.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/pkcs11.h"

namespace mayfly {

/// Why something was refused, for counting.
enum class RefusalReason : std::uint8_t {
  login,      ///< without a login, or a wrong PIN
  ended,      ///< the task, the session or the key was over
  policy,     ///< the policy allows no more, or nothing of this kind
  mechanism,  ///< a mechanism or its parameters
  key,        ///< a key that there is not, or that may not do this
  input,      ///< data or arguments that are wrong
  device,     ///< the device did not do it
  other,
};
inline constexpr std::size_t kRefusalReasons = 8;

/// "login", …: the values of the label.
[[nodiscard]] std::string_view name_of(RefusalReason reason) noexcept;
[[nodiscard]] RefusalReason refusal_reason(CK_RV rv) noexcept;

/// What was counted since a task's opening.
struct Use {
  /// Upper bounds of the device's time for a signature, in microseconds; a last bucket takes the
  /// rest.
  static constexpr std::array<std::uint32_t, 11> kBounds_us = {
      50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000, 50'000, 250'000, 1'000'000};
  static constexpr std::size_t kBuckets = kBounds_us.size() + 1;

  std::uint64_t signatures = 0;
  std::array<std::uint64_t, kRefusalReasons> refusals{};
  std::array<std::uint64_t, kBuckets> device_times{};  ///< of one signature in kTimed
  std::uint64_t device_time_us = 0;                    ///< their sum

  bool operator==(const Use&) const = default;
};

/// UseMeter counts. A signature costs it one addition without a lock; one in kTimed is timed as
/// well.
class UseMeter {
 public:
  static constexpr std::uint64_t kTimed = 64;

  /// A signature is about to be asked for.
  /// @return whether it is one that is to be timed.
  [[nodiscard]] bool begin_signature() noexcept {
    return begun_.fetch_add(1, std::memory_order_relaxed) % kTimed == 0;
  }
  /// There is none after all.
  void no_signature() noexcept { not_made_.fetch_add(1, std::memory_order_relaxed); }
  void timed(std::chrono::steady_clock::duration time) noexcept;
  void refused(CK_RV rv) noexcept;

  [[nodiscard]] Use read() const noexcept;

 private:
  std::atomic<std::uint64_t> begun_{0};
  std::atomic<std::uint64_t> not_made_{0};
  std::array<std::atomic<std::uint64_t>, kRefusalReasons> refusals_{};
  std::array<std::atomic<std::uint64_t>, Use::kBuckets> device_times_{};
  std::atomic<std::uint64_t> device_time_us_{0};
};

}  // namespace mayfly
