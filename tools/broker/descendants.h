// The processes that came of a command.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace mayfly::broker {

/// Makes this process the parent of all orphans among its descendants, so that a program that makes
/// itself a daemon is still found.
/// @throws std::system_error
void adopt_orphans();

/// Ends every descendant of this process: SIGTERM first, SIGKILL for those that live on after the
/// grace. SIGCHLD must be blocked. Children are reaped.
/// @return names and numbers of those that could not be ended; empty when all are gone.
[[nodiscard]] std::vector<std::string> end_descendants(std::chrono::milliseconds grace);

}  // namespace mayfly::broker
