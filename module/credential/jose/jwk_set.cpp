#include "credential/jose/jwk_set.h"

#include <algorithm>
#include <array>
#include <set>

namespace mayfly::credential {
namespace {

// Around the keys of a set.
constexpr std::string_view kSetBegin = R"({"keys":[)";
constexpr std::string_view kSetEnd = "]}\n";

bool is_known_curve(const nlohmann::json& jwk) {
  static constexpr std::array<std::string_view, 4> kCurves = {"P-256", "P-384", "P-521", "Ed25519"};
  const auto curve = jwk.find("crv");
  const auto* name = curve == jwk.end() ? nullptr : curve->get_ptr<const std::string*>();
  return name == nullptr || std::ranges::find(kCurves, *name) != kCurves.end();
}

/// Whether a key says of itself that it is for something else than what is done here.
bool is_for_others(const nlohmann::json& jwk) {
  const auto text = [&](const char* member) -> std::string {
    const auto found = jwk.find(member);
    return found != jwk.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const std::string type = text("kty");
  if (type != "EC" && type != "RSA" && type != "OKP") return true;
  if (type != "RSA" && !is_known_curve(jwk)) return true;
  if (jwk.contains("use") && text("use") != "sig") return true;
  if (jwk.contains("alg") && !find_jws_algorithm(text("alg"))) return true;
  const auto operations = jwk.find("key_ops");
  return operations != jwk.end() &&
         std::ranges::find(*operations, nlohmann::json("verify")) == operations->end();
}

PublishedKey read_published(const nlohmann::json& json, const std::string& name) {
  JsonObject jwk(json, name);
  PublishedKey key = published(read_jwk_key(jwk));
  key.key_id.clear();
  if (jwk.has("kid")) key.key_id = jwk.printable_text("kid", kMaxKeyId);
  if (jwk.has("alg")) {
    key.algorithm = find_jws_algorithm(jwk.text("alg"));
    if (!key.algorithm || !fits(*key.algorithm, key.key.spec())) {
      jwk.refuse("alg", "does not fit the key");
    }
  }
  return key;
}

std::vector<PublishedKey> read_set(std::string_view json) {
  const nlohmann::json parsed = parse_json(json, kMaxKeySetSize);
  JsonObject set(parsed, "JWK Set");
  const nlohmann::json& list = set.at("keys");
  if (!list.is_array() || list.size() > kMaxKeySetKeys) {
    set.refuse("keys", "is no list of at most " + std::to_string(kMaxKeySetKeys));
  }
  std::vector<PublishedKey> keys;
  std::set<std::string> names;
  for (const nlohmann::json& entry : list) {
    const std::string name = "keys[" + std::to_string(&entry - &list.front()) + "]";
    if (!entry.is_object()) set.refuse(name, "is no JSON object");
    if (is_for_others(entry)) continue;
    PublishedKey key = read_published(entry, name);
    const bool new_id = key.key_id.empty() || names.insert(key.key_id).second;
    const bool new_key = key.key_id == key.thumbprint || names.insert(key.thumbprint).second;
    if (!new_id || !new_key) set.refuse(name, "is another's name, or there before");
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace

std::vector<PublishedKey> parse_key_set(std::string_view json) {
  std::vector<PublishedKey> keys;
  try {
    keys = read_set(json);
  } catch (const Error& error) {
    throw Refused(Part::key_set, Reason::no_keys, error.what());
  }
  if (keys.empty()) throw Refused(Part::key_set, Reason::no_keys, "there are none of a known kind");
  return keys;
}

std::string jwk_json(const PublishedKey& key) {
  nlohmann::json jwk = to_jwk_members(key.key);
  if (key.algorithm) jwk["alg"] = name_of(*key.algorithm);
  jwk["use"] = "sig";
  jwk["kid"] = key.key_id.empty() ? key.thumbprint : key.key_id;
  return jwk.dump();
}

void KeySetWriter::add(std::string_view jwk) {
  if (keys_ > 0) list_ += ',';
  list_ += jwk;
  ++keys_;
}

bool KeySetWriter::has_room_for(std::string_view jwk) const noexcept {
  return keys_ < kMaxKeySetKeys &&
         kSetBegin.size() + list_.size() + 1 + jwk.size() + kSetEnd.size() <= kMaxKeySetSize;
}

std::string KeySetWriter::json() const {
  std::string json(kSetBegin);
  json += list_;
  json += kSetEnd;
  return json;
}

std::string key_set_json(const std::vector<PublishedKey>& keys) {
  KeySetWriter set;
  for (const PublishedKey& key : keys) set.add(jwk_json(key));
  return set.json();
}

PublishedKey published(const PublicKey& key, std::string key_id) {
  std::string thumbprint = jwk_thumbprint(key);
  if (key_id.empty()) key_id = thumbprint;
  return {key, std::move(key_id), std::move(thumbprint), jws_algorithm_of(key.spec())};
}

const PublishedKey& find_signer(const CompactJws& jws, const std::vector<PublishedKey>& keys,
                                Part part) {
  bool any_asked = false;
  for (const PublishedKey& key : keys) {
    const bool named = jws.key_id && (*jws.key_id == key.key_id || *jws.key_id == key.thumbprint);
    if (jws.key_id && !named) continue;
    if (!fits(jws.algorithm, key.key.spec()) ||
        key.algorithm.value_or(jws.algorithm) != jws.algorithm) {
      if (named) throw Refused(part, Reason::wrong_key_type);
      continue;
    }
    any_asked = true;
    if (is_signature(jws.algorithm, key.key, as_bytes(jws.signed_text), jws.signature)) return key;
  }
  throw Refused(part, any_asked ? Reason::bad_signature : Reason::unknown_key);
}

}  // namespace mayfly::credential
