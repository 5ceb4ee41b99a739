// Lengths of time on the command line.
#pragma once

#include <chrono>
#include <string>

namespace mayfly::tools {

/// The length of time that was given to an option, as parse_duration() reads it.
/// @throws Failure kBadTtl for a text that is none.
[[nodiscard]] std::chrono::seconds duration_option(const char* option, const std::string& text);

}  // namespace mayfly::tools
