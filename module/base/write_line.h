// Lines on a descriptor that somebody else may keep from being written.
#pragma once

#include <chrono>
#include <string_view>

namespace mayfly {

/// Writes a line, without ever waiting for a pipe that nobody reads, a terminal that was stopped or
/// a full socket: whoever shares our standard error must not be able to hold us up. Leaves errno
/// alone, and raises no SIGPIPE.
///
/// @param line      Well-formed UTF-8 without a newline; of more than PIPE_BUF bytes (4096) the
///                  start is written.
/// @param patience  How long to wait for room all the same.
/// @return false if the line is lost.
bool write_line(int descriptor, std::string_view line,
                std::chrono::milliseconds patience = std::chrono::milliseconds(0)) noexcept;

}  // namespace mayfly
