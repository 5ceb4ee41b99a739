// Reading with a bound in bytes and in time.
#pragma once

#include <chrono>
#include <cstddef>

#include "base/bytes.h"

namespace mayfly {

/// Reads a descriptor until its end or until `room` is full. Where the descriptor can seek, reading
/// starts at the beginning of the file and leaves the descriptor's own position alone.
/// @return the bytes read; as many as `room` has when there may be more.
/// @throws std::system_error with the reason; std::errc::timed_out when the deadline passes first.
[[nodiscard]] std::size_t read_to_end(int descriptor, ByteSpan room,
                                      std::chrono::steady_clock::time_point deadline);

}  // namespace mayfly
