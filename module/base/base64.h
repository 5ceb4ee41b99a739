// Base64 with padding (RFC 4648, 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace mayfly {

[[nodiscard]] std::string to_base64(ByteView bytes);

/// The bytes of a text that to_base64() may have written; nothing for any other text, so that the
/// same bytes have one text only.
[[nodiscard]] std::optional<Bytes> parse_base64(std::string_view text);

}  // namespace mayfly
