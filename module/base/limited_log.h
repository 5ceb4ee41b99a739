// Log lines that a client can cause as often as it likes.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"

namespace mayfly::log {

/// LimitedLog writes the first kBurst lines, then one a second, so that nobody can fill the disk
/// with them; after a quiet time there is room for a burst again. What was left out is counted, and
/// the next line that is written says how much it was.
///
/// Leaving a line out takes one or two atomic operations, and the line is not even made. No lock
/// and no memory: safe in several threads, after a fork, and in a static object.
class LimitedLog {
 public:
  static constexpr std::int64_t kBurst = 100;

  /// @param make  Gives the message; called only if it is written.
  template <typename Make>
  void write(Level level, Make&& make) noexcept {
    if (!enabled(level)) return;
    const std::optional<std::uint64_t> left_out = admit();
    if (!left_out) return;
    try {
      std::string message = std::forward<Make>(make)();
      if (*left_out != 0) {
        message += " (" + std::to_string(*left_out) + " lines like this were left out before)";
      }
      log::write(level, message);
    } catch (...) {  // a log line is never worth a failed call
    }
  }

  template <typename Make>
  void warn(Make&& make) noexcept {
    write(Level::warn, std::forward<Make>(make));
  }

 private:
  /// Nothing if a line is to be left out now, else how many were since the last one.
  [[nodiscard]] std::optional<std::uint64_t> admit() noexcept;

  std::atomic<std::int64_t> paid_until_{0};  // nanoseconds of the steady clock
  std::atomic<std::uint64_t> left_out_{0};
};

}  // namespace mayfly::log
