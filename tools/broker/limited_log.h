// Log lines that a client can cause as often as it likes.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>

namespace mayfly::broker {

/// LimitedLog writes warnings, one a second at most, so that nobody can fill the disk with them.
/// What was left out is counted in the next line. Safe to use from several threads.
class LimitedLog {
 public:
  void warn(const std::string& message) noexcept;

 private:
  std::mutex mutex_;  // guards what follows
  std::chrono::steady_clock::time_point next_{};
  std::size_t left_out_ = 0;
};

}  // namespace mayfly::broker
