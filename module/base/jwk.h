// Public keys as JSON Web Keys (RFC 7517; RFC 7518, 6; RFC 8037, 2).
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "base/json_reader.h"
#include "base/public_key.h"

namespace mayfly {

/// The longest `kid`, in bytes.
inline constexpr std::size_t kMaxKeyId = 256;

/// The members that make up a public key, and no others: kty, crv, x, y; kty, n, e; kty, crv, x.
[[nodiscard]] nlohmann::json to_jwk_members(const PublicKey& key);

/// The thumbprint of a key's JWK with SHA-256 (RFC 7638, 3), 32 bytes.
[[nodiscard]] Bytes jwk_thumbprint_bytes(const PublicKey& key);

/// The same in base64url, as `jkt` and `kid` have it: 43 characters.
[[nodiscard]] std::string jwk_thumbprint(const PublicKey& key);

/// Reads the members that make up a public key, and leaves all others unread: P-256, P-384, P-521,
/// Ed25519, or RSA with 2048 to 4096 bits. Numbers must be written in the one way that RFC 7518
/// has.
/// @throws JsonError that names the member for what is none, and for any member of a private or a
///         secret key; Error CKR_ATTRIBUTE_VALUE_INVALID for a point that is not on its curve.
[[nodiscard]] PublicKey read_jwk_key(JsonObject& jwk);

/// Whether a kid can stand in a header: 1 to kMaxKeyId bytes without control characters.
[[nodiscard]] bool is_key_id(const std::string& text) noexcept;

}  // namespace mayfly
