// Programs that answer a question.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace mayfly {

/// A program to be run, without a shell.
struct ProgramRun {
  std::string what;                    ///< what messages call it: "the PIN command"
  std::vector<std::string> arguments;  ///< its path and its arguments
  std::string_view input = {};         ///< what it finds on its standard input; else /dev/null
  std::string must_write;              ///< what it writes, for the message when it writes more
  std::chrono::milliseconds time_limit{10'000};
};

/// Runs a program and reads what it writes to standard output. Its standard error is ours, no other
/// descriptor of ours reaches it. It has a process group of its own, which is killed when the time
/// is over or the output is too long.
///
/// Of the host process only our own child is waited for; where the host takes the exit statuses of
/// all children itself, the call fails.
/// @param room  Takes the output; output that fills it to the end is too long.
/// @return the bytes written to `room`.
/// @throws Error CKR_GENERAL_ERROR with the program's name and what went wrong: that it can't be
///         run, takes too long, writes too much, is ended by a signal or does not exit with 0.
[[nodiscard]] std::size_t run_program(const ProgramRun& program, ByteSpan room);

/// The words of a command line of the configuration: there are no quotes.
[[nodiscard]] std::vector<std::string> split_at_spaces(std::string_view text);

}  // namespace mayfly
