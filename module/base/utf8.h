// The little of UTF-8 that labels and identifiers need (RFC 3629).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mayfly {

/// Whether the text is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF) and
/// holds no control character (U+0000 to U+001F, U+007F to U+009F, U+2028, U+2029).
[[nodiscard]] bool is_printable_utf8(std::string_view text) noexcept;

/// The text with a '?' in place of each control character and each byte that is not UTF-8.
[[nodiscard]] std::string printable_utf8(std::string_view text);

/// The longest start of a well-formed text that is at most `max_bytes` long and ends on a character
/// boundary.
[[nodiscard]] std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes) noexcept;

}  // namespace mayfly
