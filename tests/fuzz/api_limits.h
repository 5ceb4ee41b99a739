// The limits that the hostile client's mayfly.toml sets: low, so that they are met.
#pragma once

#include <cstddef>

namespace mayfly::test {

inline constexpr std::size_t kMaxTasks = 3;
inline constexpr std::size_t kMaxSessions = 8;
inline constexpr unsigned kMaxWrongPins = 10;

}  // namespace mayfly::test
