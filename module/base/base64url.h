// Base64url without padding, as JOSE writes bytes (RFC 7515, 2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace mayfly {

[[nodiscard]] std::string to_base64url(ByteView bytes);

/// The bytes of a text that to_base64url() may have written; nothing for any other text. Padding,
/// line breaks and other characters are refused, and so are bits that are left over and not zero:
/// else the same bytes would have several texts.
[[nodiscard]] std::optional<Bytes> parse_base64url(std::string_view text);

}  // namespace mayfly
