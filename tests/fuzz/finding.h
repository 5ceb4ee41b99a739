// How a fuzzing target says that a promise was broken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

/// One input. Each target defines it; libFuzzer or the replay calls it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace mayfly::test {

/// Prints what did not hold and aborts: libFuzzer then keeps the input, and a replay fails.
[[noreturn]] void report_finding(const std::string& promise);

/// @param promise  What must hold, as a sentence.
inline void require(bool holds, const char* promise) {
  if (!holds) report_finding(promise);
}

/// A message for people is one line of printable UTF-8.
void require_message(const std::string& message);

}  // namespace mayfly::test
