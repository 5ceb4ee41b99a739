// Lists as text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mayfly {

/// The texts one behind the other, with a separator between two.
[[nodiscard]] inline std::string joined(const std::vector<std::string>& list,
                                        std::string_view separator) {
  std::string text;
  for (const std::string& entry : list) {
    if (&entry != &list.front()) text += separator;
    text += entry;
  }
  return text;
}

}  // namespace mayfly
