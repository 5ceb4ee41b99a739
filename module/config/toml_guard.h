// Texts that the TOML reader must not see.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mayfly {

/// Where a text must not be given to the reader, and what to say of it.
struct TomlObstacle {
  std::size_t line;
  std::string problem;  ///< "what is wrong; how to mend it"
};

/// Looks for what toml++ 3.3 does not survive: a key of so many parts that its recursion leaves no
/// stack, and a character that is not ASCII where it expects a blank (undefined behaviour). TOML
/// allows neither outside of texts in quotes and comments, but for a key of many parts, which no
/// configuration has.
[[nodiscard]] std::optional<TomlObstacle> find_toml_obstacle(std::string_view text);

}  // namespace mayfly
