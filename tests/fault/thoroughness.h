// How much of all that could be tried is tried.
#pragma once

#include <cstdlib>
#include <string_view>

namespace mayfly::test {

/// Whether this variant, of so many, is tried at this call: each call has its turn with one of the
/// variants, other ones than its neighbour. With $MAYFLY_FAULTS "all", with every one; with "few",
/// which is for builds that are slow, every 32nd call with one.
[[nodiscard]] inline bool has_turn(unsigned call, std::size_t variant, std::size_t variants) {
  const char* const wanted = std::getenv("MAYFLY_FAULTS");
  const std::string_view faults = wanted == nullptr ? "" : wanted;
  if (faults == "all") return true;
  if (faults != "few") return call % variants == variant;
  return call % 32 == 1 && call / 32 % variants == variant;
}

}  // namespace mayfly::test
