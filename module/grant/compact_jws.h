// The outer form of a grant: a JWS in compact serialisation (RFC 7515).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "grant/algorithm.h"

namespace mayfly::grant {

/// What `typ` says of a grant (RFC 8725, 3.11): no token of another kind can stand in for one.
inline constexpr std::string_view kType = "mayfly-grant+jwt";
/// The longest `kid`, in bytes.
inline constexpr std::size_t kMaxKeyId = 256;

/// The three parts of a grant, taken apart but not believed.
struct CompactJws {
  Algorithm algorithm = Algorithm::es256;  ///< the header's alg
  std::optional<std::string> key_id;       ///< the header's kid
  std::string payload;                     ///< the claims, unread
  std::string_view signed_text;            ///< what the signature is over: a part of the text
  Bytes signature;
};

/// Takes a grant apart. The header may hold alg, typ and kid, and nothing else.
/// @param text  Must outlive what is returned.
/// @throws Refused too_long, malformed, header, critical, key_in_header, type or algorithm.
[[nodiscard]] CompactJws parse_compact_jws(std::string_view text);

/// The first two parts and the dot between them: what is to be signed.
[[nodiscard]] std::string signed_text(Algorithm algorithm, const std::string& key_id,
                                      std::string_view payload);

}  // namespace mayfly::grant
