// Running a program and catching what it says.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace mayfly::test {

/// Changes to this process's environment: a value, or nothing to unset the variable.
using Environment = std::map<std::string, std::optional<std::string>>;

struct Outcome {
  int status = -1;  ///< the exit status, or minus the number of the signal that ended it
  std::string out;
  std::string err;
};

/// Runs a program to its end, two minutes at most, with /dev/null as standard input.
/// @param arguments      The program's path and its arguments.
/// @param closed_stream  1 or 2 starts it with that stream closed; 0 closes none.
[[nodiscard]] Outcome run(const std::vector<std::string>& arguments,
                          const Environment& changes = {}, int closed_stream = 0);

}  // namespace mayfly::test
