// How much of all that could be tried is tried.
#pragma once

#include <cstdlib>
#include <string_view>

namespace mayfly::test {

/// Whether everything is tried: $MAYFLY_FAULTS is "all". Else each call of the device has its turn
/// with some of the variants, other ones than its neighbour.
[[nodiscard]] inline bool thorough() {
  const char* const wanted = std::getenv("MAYFLY_FAULTS");
  return wanted != nullptr && std::string_view(wanted) == "all";
}

/// Whether this variant, of so many, is tried at this call.
[[nodiscard]] inline bool has_turn(unsigned call, std::size_t variant, std::size_t variants) {
  return thorough() || call % variants == variant;
}

}  // namespace mayfly::test
