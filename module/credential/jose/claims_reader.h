// The claims of a JSON Web Token (RFC 7519), with a refusal for each that is not as it should be.
#pragma once

#include <functional>
#include <string_view>

#include "base/compact_jws.h"
#include "base/json_reader.h"
#include "credential/refused.h"

namespace mayfly::credential {

/// The end of the year 9999, in seconds since 1970: the largest time that a claim can have.
inline constexpr std::uint64_t kMaxTime = 253'402'300'799;
/// The longest iss, sub, jti, aud, htu, nonce, in bytes.
inline constexpr std::size_t kMaxClaim = 2048;

/// parse_compact_jws(), with a Refused for each fault.
[[nodiscard]] CompactJws parse_token(std::string_view text, const JwsRules& rules, Part part);

/// Reads the claims of a token. Claims that nobody asks for are passed over (RFC 7519, 4).
/// @throws Refused claims, duplicate_claim, missing_claim or bad_claim.
void read_claims(std::string_view json, std::size_t most, Part part,
                 const std::function<void(JsonObject&)>& read);

/// A time claim: whole seconds since 1970.
[[nodiscard]] std::uint64_t read_time(JsonObject& claims, const char* name);

}  // namespace mayfly::credential
