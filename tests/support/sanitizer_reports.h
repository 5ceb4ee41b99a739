// What the sanitizers say of the processes that a test starts: mayfly's workers, clients.
//
// Every test program that is built with a sanitizer listens: a report of any process below it fails
// the test that runs, whatever becomes of that process's standard error and exit status. What
// befalls the test program itself ends it, as it always does.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

namespace mayfly::test {

/// The reports since the last call, each whole. Whoever takes them answers for them: they fail no
/// test any more. Only in programs that are built with a sanitizer.
std::vector<std::string> take_sanitizer_reports();

/// ASAN_OPTIONS for a process in which others' code leaks.
[[nodiscard]] inline std::string options_without_leak_check() {
  const char* const options = std::getenv("ASAN_OPTIONS");
  return (options == nullptr ? std::string() : options + std::string(":")) + "detect_leaks=0";
}

}  // namespace mayfly::test
