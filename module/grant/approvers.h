// Those whose signature makes a grant: public keys, as a JWK Set has them (RFC 7517).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/public_key.h"
#include "grant/algorithm.h"

namespace mayfly::grant {

/// The longest file of approvers, in bytes, and the most keys in it.
inline constexpr std::size_t kMaxApproversSize = 256 * 1024;
inline constexpr std::size_t kMaxApprovers = 64;

/// One trusted key.
struct Approver {
  PublicKey key;
  Algorithm algorithm = Algorithm::es256;
  std::string key_id;  ///< kid; empty for none. A grant may name the key by its thumbprint as well
  std::string thumbprint;  ///< of the JWK, RFC 7638 with SHA-256, in base64url
};

/// Reads a JWK Set that holds the approvers' public keys and nothing else.
///
/// It is the operator's own list, so that, unlike RFC 7517 has it for sets of others, nothing in it
/// is passed over: a key of another kind, for another use or with a private part refuses the whole.
/// @throws Error CKR_DATA_INVALID that says which key is wrong and why.
[[nodiscard]] std::vector<Approver> parse_approvers(std::string_view json);

/// A public key as a JWK, with its alg, "use": "sig", and a kid.
/// @param key_id  Empty takes the key's thumbprint.
/// @throws Error CKR_KEY_TYPE_INCONSISTENT for a key that can't sign grants, CKR_ARGUMENTS_BAD for
///         a key ID that is too long or not printable.
[[nodiscard]] std::string to_jwk(const PublicKey& key, const std::string& key_id);

}  // namespace mayfly::grant
