// The outer form of a grant: a JWS in compact serialisation (RFC 7515).
#pragma once

#include <string_view>

#include "base/compact_jws.h"

namespace mayfly::grant {

/// What `typ` says of a grant (RFC 8725, 3.11): no token of another kind can stand in for one.
inline constexpr std::string_view kType = "mayfly-grant+jwt";

/// Takes a grant apart, which verifies nothing.
/// @param text  Must outlive what is returned.
/// @throws Refused too_long, malformed, header, critical, key_in_header, type or algorithm.
[[nodiscard]] CompactJws parse_token(std::string_view text);

}  // namespace mayfly::grant
