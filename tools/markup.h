// Text in HTML and SVG.
#pragma once

#include <string>
#include <string_view>

namespace mayfly::tools {

/// The text with nothing left in it that a reader of HTML or XML would take for more than text, in
/// an attribute's value too.
[[nodiscard]] std::string escaped_markup(std::string_view text);

}  // namespace mayfly::tools
