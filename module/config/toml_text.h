// Texts as TOML writes them.
#pragma once

#include <string>
#include <string_view>

namespace mayfly {

/// A text as TOML writes it, in quotes.
[[nodiscard]] std::string toml_text(std::string_view text);

}  // namespace mayfly
