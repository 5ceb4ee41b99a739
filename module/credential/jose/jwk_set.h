// Sets of public keys that others publish (RFC 7517, 5).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/compact_jws.h"
#include "base/jwk.h"
#include "credential/refused.h"

namespace mayfly::credential {

/// The longest set that is read, in bytes, and the most keys in it.
inline constexpr std::size_t kMaxKeySetSize = 1024 * 1024;
inline constexpr std::size_t kMaxKeySetKeys = 4096;

/// One key of a set.
struct PublishedKey {
  PublicKey key;
  std::string key_id;                     ///< kid; empty for none
  std::string thumbprint;                 ///< RFC 7638 with SHA-256, in base64url
  std::optional<JwsAlgorithm> algorithm;  ///< alg, if the set says it
};

/// Reads a JWK Set. Keys that can't verify signatures here are passed over, as RFC 7517 has it:
/// those of other types and curves, for other uses, with other algorithms. What is written wrongly,
/// has a private part, or names two keys by one kid refuses the whole.
/// @throws Refused no_keys, also when no key is left.
[[nodiscard]] std::vector<PublishedKey> parse_key_set(std::string_view json);

/// Writes a JWK as a set has it: with its alg, "use": "sig" and kid.
[[nodiscard]] std::string jwk_json(const PublishedKey& key);

/// KeySetWriter writes a JWK Set, key after key.
class KeySetWriter {
 public:
  /// Adds what jwk_json() wrote.
  void add(std::string_view jwk);
  /// Whether the set would still be one that is read with this one in it.
  [[nodiscard]] bool has_room_for(std::string_view jwk) const noexcept;

  [[nodiscard]] std::string json() const;

 private:
  std::string list_;
  std::size_t keys_ = 0;
};

/// Writes a JWK Set of all keys.
[[nodiscard]] std::string key_set_json(const std::vector<PublishedKey>& keys);

/// A key as a set has it, its kid being its thumbprint unless there is another.
[[nodiscard]] PublishedKey published(const PublicKey& key, std::string key_id = {});

/// The key of a set that signed. With a kid, only the one of that name, or of that thumbprint, can
/// have; without, each whose kind fits is tried.
/// @param part  What it is that was signed, for the refusal.
/// @throws Refused unknown_key, wrong_key_type or bad_signature.
[[nodiscard]] const PublishedKey& find_signer(const CompactJws& jws,
                                              const std::vector<PublishedKey>& keys, Part part);

}  // namespace mayfly::credential
