// How often a test that kills something does so.
#pragma once

#include <cstdlib>

namespace mayfly::test {

/// $MAYFLY_TEST_ROUNDS, or 200.
[[nodiscard]] inline int rounds() {
  const char* const wanted = std::getenv("MAYFLY_TEST_ROUNDS");
  return wanted == nullptr ? 200 : std::atoi(wanted);
}

}  // namespace mayfly::test
