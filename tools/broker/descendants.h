// The processes that came of a command.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace mayfly::broker {

/// Makes this process the parent of all orphans among its descendants, so that a program that makes
/// itself a daemon is still found.
/// @throws std::system_error
void adopt_orphans();

/// Processes by number and start time, which tells one from a later one of the same number.
using ProcessSet = std::set<std::pair<pid_t, unsigned long long>>;

/// The descendants of this process.
/// @param but  A child that is left out with all its own; -1 for none.
/// @throws std::system_error
[[nodiscard]] ProcessSet descendants(pid_t but = -1);

/// Ends every descendant of this process: SIGTERM first, SIGKILL for those that live on after the
/// grace. SIGCHLD must be blocked. Children are reaped.
///
/// A process that adopts orphans has no descendant when it has no child, and the kernel knows that;
/// what /proc shows is a search for whom to end. Only where something is spared must it do as an
/// answer: it is read twice then, with no child dying meanwhile.
///
/// @param spared  Left alone with all their own.
/// @return names and numbers of those that could not be ended; empty when all are gone.
[[nodiscard]] std::vector<std::string> end_descendants(std::chrono::milliseconds grace,
                                                       const ProcessSet& spared = {});

}  // namespace mayfly::broker
