// The time that all machines share, more or less.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace mayfly::pkcs11 {

/// Seconds since 1970, by this machine's clock.
[[nodiscard]] inline std::uint64_t wall_clock_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(now).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, whole));
}

}  // namespace mayfly::pkcs11
