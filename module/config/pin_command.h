// A PIN from a program's standard output.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace mayfly {

/// Runs a program, without a shell, and reads what it writes to standard output. Its standard input
/// is /dev/null, its standard error is ours, no other descriptor of ours reaches it. It has a
/// process group of its own, which is killed when the time is over or the output is too long.
///
/// Of the host process only our own child is waited for; where the host takes the exit statuses of
/// all children itself, the call fails.
/// @param arguments  The program's path and its arguments.
/// @param room       Takes the output; output that fills it to the end is too long.
/// @return the bytes written to `room`.
/// @throws Error CKR_GENERAL_ERROR with the program's name and what went wrong.
[[nodiscard]] std::size_t run_pin_command(const std::vector<std::string>& arguments, ByteSpan room,
                                          std::chrono::milliseconds time_limit);

}  // namespace mayfly
