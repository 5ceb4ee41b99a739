#include "base/compact_jws.h"

#include <algorithm>

#include "base/base64url.h"
#include "base/jwk.h"

namespace mayfly {
namespace {

constexpr std::size_t kMaxHeader = 1024;
constexpr std::size_t kMaxHeaderWithKey = 2048;  // RSA with 4096 bits: 683 characters

/// Members by which a header would say which key to believe (RFC 7515, 4.1.2 to 4.1.8).
constexpr const char* kKeyMembers[] = {"jku", "x5c", "x5u", "x5t", "x5t#S256"};

Bytes decode(std::string_view part, const char* name) {
  std::optional<Bytes> bytes = parse_base64url(part);
  if (!bytes || bytes->empty()) {
    throw JwsError(JwsFault::malformed, std::string("its ") + name + " is no base64url");
  }
  return *std::move(bytes);
}

/// RFC 9449, 4.2: the public key that the proof is of, and nothing more of it.
PublicKey read_header_key(JsonObject jwk, JwsAlgorithm algorithm) {
  PublicKey key = read_jwk_key(jwk);
  jwk.finish();
  if (!fits(algorithm, key.spec())) {
    throw JwsError(JwsFault::algorithm, "its alg does not fit the key in its header");
  }
  return key;
}

void read_header(std::string_view text, const JwsRules& rules, CompactJws& jws) {
  const nlohmann::json json = parse_json(text, rules.with_key ? kMaxHeaderWithKey : kMaxHeader);
  JsonObject header(json, "header");
  if (header.has("crit")) throw JwsError(JwsFault::critical);
  for (const char* member : kKeyMembers) {
    if (header.has(member)) throw JwsError(JwsFault::key_in_header, member);
  }
  if (!rules.with_key && header.has("jwk")) throw JwsError(JwsFault::key_in_header, "jwk");
  jws.type = header.text("typ");
  if (std::ranges::find(rules.types, jws.type) == rules.types.end()) {
    throw JwsError(JwsFault::type);
  }
  const auto algorithm = find_jws_algorithm(header.text("alg"));
  if (!algorithm || std::ranges::find(rules.algorithms, *algorithm) == rules.algorithms.end()) {
    throw JwsError(JwsFault::algorithm);
  }
  jws.algorithm = *algorithm;
  if (rules.with_key) jws.key = read_header_key(header.object("jwk"), *algorithm);
  if (header.has("kid")) jws.key_id = header.printable_text("kid", kMaxKeyId);
  header.finish();
}

}  // namespace

CompactJws parse_compact_jws(std::string_view text, const JwsRules& rules) {
  if (text.size() > rules.most) throw JwsError(JwsFault::too_long);
  const std::size_t first = text.find('.');
  const std::size_t second = first == text.npos ? text.npos : text.find('.', first + 1);
  if (second == text.npos || text.find('.', second + 1) != text.npos) {
    throw JwsError(JwsFault::malformed, "it has not two dots");
  }
  CompactJws jws;
  const Bytes header = decode(text.substr(0, first), "header");
  const Bytes payload = decode(text.substr(first + 1, second - first - 1), "payload");
  jws.signature = decode(text.substr(second + 1), "signature");
  jws.signed_text = text.substr(0, second);
  jws.payload = as_text(payload);
  try {
    read_header(as_text(header), rules, jws);
  } catch (const JwsError&) {
    throw;
  } catch (const Error& error) {
    throw JwsError(JwsFault::header, error.what());
  }
  return jws;
}

std::string make_compact_jws(const JwsHeader& header, std::string_view payload, Signer& signer) {
  const PublicKey& key = signer.public_key();
  if (!fits(header.algorithm, key.spec())) {
    throw Error(CKR_KEY_TYPE_INCONSISTENT, to_string(key.spec()) + " keys can't sign with " +
                                               std::string(name_of(header.algorithm)));
  }
  nlohmann::json json = {{"alg", name_of(header.algorithm)}, {"typ", header.type}};
  if (!header.key_id.empty()) json["kid"] = header.key_id;
  if (header.with_key) json["jwk"] = to_jwk_members(key);
  const std::string written = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string text = to_base64url(as_bytes(written)) + "." + to_base64url(as_bytes(payload));
  const Bytes signature = signer.sign(scheme_of(header.algorithm), as_bytes(text));
  if (!is_signature(header.algorithm, key, as_bytes(text), signature)) {
    throw Error(CKR_DEVICE_ERROR, "what was signed does not verify with the key's own public half");
  }
  return text + "." + to_base64url(signature);
}

}  // namespace mayfly
