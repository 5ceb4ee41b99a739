#include "device/pkcs11/stored_key_name.h"

#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/safeguard.h"

namespace mayfly::pkcs11 {
namespace {

constexpr std::string_view kPrefix = "mayfly1";
constexpr std::string_view kDomain = "mayfly-stored-key-v1";
constexpr std::size_t kRandomBytes = 16;
constexpr std::size_t kHashBytes = 16;
constexpr std::size_t kMaxLabel = 127;
constexpr std::size_t kFields = 9;

std::string make_label(const StoredKeyName::Parts& parts) {
  return std::string(kPrefix) + ":" + parts.host + ":" + parts.owner.text() + ":" + parts.task +
         ":" + to_hex_number(parts.until);
}

Bytes proof(ByteView random, std::string_view label) {
  Hasher hasher(Hash::sha256);
  hasher.update(as_bytes(kDomain));
  hasher.update(random);
  hasher.update(as_bytes(label));
  Bytes result = hasher.finish();
  result.resize(kHashBytes);
  return result;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> fields;
  while (fields.size() < kFields + 1) {
    const std::size_t colon = text.find(':');
    fields.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
  }
  return fields;
}

std::optional<StoredKeyName::Parts> parse_label(std::string_view label) {
  if (label.size() > kMaxLabel) return std::nullopt;
  const auto fields = split(label);
  if (fields.size() != kFields || fields[0] != kPrefix) return std::nullopt;
  const auto owner = ProcessIdentity::parse(
      {fields[2].data(), static_cast<std::size_t>(fields[6].end() - fields[2].begin())});
  const auto until = parse_hex_number(fields[8]);
  if (!is_hex(fields[1], 12) || !is_hex(fields[7], 16) || !owner || !until) return std::nullopt;
  StoredKeyName::Parts parts{std::string(fields[1]), *owner, std::string(fields[7]), *until};
  // Only the one way of writing it counts.
  if (make_label(parts) != label) return std::nullopt;
  return parts;
}

}  // namespace

StoredKeyName StoredKeyName::make(Parts parts) {
  Bytes id(kRandomBytes);
  fill_random(id, "a key's ID");
  std::string label = make_label(parts);
  if (parse_label(label) != parts) {
    throw Error(CKR_FUNCTION_FAILED, "a key's owner can't be written into its label");
  }
  const Bytes hash = proof(id, label);
  id.insert(id.end(), hash.begin(), hash.end());
  return {std::move(parts), std::move(label), std::move(id)};
}

std::optional<StoredKeyName> StoredKeyName::parse(std::string_view label, ByteView id) {
  if (id.size() != kRandomBytes + kHashBytes) return std::nullopt;
  auto parts = parse_label(label);
  if (!parts) return std::nullopt;
  if (!equal(proof(id.first(kRandomBytes), label), id.subspan(kRandomBytes)) &&
      kept(Safeguard::ownership_proof)) {
    return std::nullopt;
  }
  return StoredKeyName(std::move(*parts), std::string(label), to_bytes(id));
}

}  // namespace mayfly::pkcs11
