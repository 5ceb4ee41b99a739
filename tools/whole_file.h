// Files that the command line names.
#pragma once

#include <string>

namespace mayfly::tools {

/// All of a file, or of standard input for "-".
/// @throws Failure kNoInput when it can't be read, kUsage when it is longer than `most` bytes.
[[nodiscard]] std::string read_whole_file(const std::string& path, std::size_t most);

}  // namespace mayfly::tools
