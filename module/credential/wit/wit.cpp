#include "credential/wit/wit.h"

#include "base/base64url.h"
#include "base/hash.h"
#include "credential/jose/claims_reader.h"

namespace mayfly::credential {
namespace {

constexpr std::string_view kWitTypes[] = {kWitType};
constexpr std::size_t kSerialBytes = 8;
constexpr std::size_t kMaxTaskIdSize = 255;

StatusReference read_status(JsonObject status) {
  JsonObject list = status.object("status_list");
  StatusReference reference;
  reference.uri = list.printable_text("uri", kMaxClaim);
  reference.index = list.number("idx", kMaxJsonNumber);
  return reference;
}

/// cnf.jwk: a key, and the one algorithm of its proofs.
Wit read_confirmation(JsonObject jwk) {
  PublicKey key = read_jwk_key(jwk);
  const auto algorithm = find_jws_algorithm(jwk.text("alg"));
  if (!algorithm || !fits(*algorithm, key.spec())) jwk.refuse("alg", "does not fit the key");
  return {{}, {}, {}, 0, 0, std::move(key), *algorithm, {}, {}, 0, {}};
}

Wit read_wit_claims(JsonObject& claims) {
  Wit wit = read_confirmation(claims.object("cnf").object("jwk"));
  wit.issuer = claims.printable_text("iss", kMaxClaim);
  wit.subject = claims.printable_text("sub", kMaxClaim);
  wit.id = claims.printable_text("jti", kMaxClaim);
  wit.issued_at = read_time(claims, "iat");
  wit.expires = read_time(claims, "exp");
  if (wit.expires <= wit.issued_at) claims.refuse("exp", "is not after iat");
  JsonObject task = claims.object("mayfly_task");
  wit.task_id = task.printable_text("id", kMaxTaskIdSize);
  wit.task_serial = to_hex(task.bytes("serial", kSerialBytes, kSerialBytes));
  wit.deadline_unix_s = read_time(task, "deadline");
  if (wit.expires > wit.deadline_unix_s) claims.refuse("exp", "is past the task's deadline");
  if (claims.has("status")) wit.status = read_status(claims.object("status"));
  return wit;
}

Wit parse_wit_claims(std::string_view json) {
  std::optional<Wit> wit;
  read_claims(json, kMaxWitSize, Part::credential,
              [&](JsonObject& claims) { wit = read_wit_claims(claims); });
  return *std::move(wit);
}

std::string wit_claims_json(const Wit& wit) {
  nlohmann::json jwk = to_jwk_members(wit.key);
  jwk["alg"] = name_of(wit.algorithm);
  nlohmann::json claims = {
      {"iss", wit.issuer},
      {"sub", wit.subject},
      {"jti", wit.id},
      {"iat", wit.issued_at},
      {"exp", wit.expires},
      {"cnf", {{"jwk", std::move(jwk)}}},
      {"mayfly_task",
       {{"id", wit.task_id}, {"serial", wit.task_serial}, {"deadline", wit.deadline_unix_s}}}};
  if (wit.status) {
    claims["status"]["status_list"] = {{"uri", wit.status->uri}, {"idx", wit.status->index}};
  }
  return claims.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

[[noreturn]] void refuse_issue(const std::string& why) {
  throw Error(CKR_ARGUMENTS_BAD, "no identity token is issued: " + why);
}

bool is_as_meant(const Wit& a, const Wit& b) {
  return a.issuer == b.issuer && a.subject == b.subject && a.id == b.id &&
         a.issued_at == b.issued_at && a.expires == b.expires &&
         jwk_thumbprint(a.key) == jwk_thumbprint(b.key) && a.algorithm == b.algorithm &&
         a.task_id == b.task_id && a.task_serial == b.task_serial &&
         a.deadline_unix_s == b.deadline_unix_s && a.status == b.status;
}

CompactJws take_apart_wit(std::string_view text) {
  return parse_token(text, {kMaxWitSize, kWitTypes, kJwsAlgorithms, false}, Part::credential);
}

}  // namespace

std::string issue_wit(const Wit& wit, const std::string& key_id, Signer& issuer,
                      std::uint64_t now_unix_s) {
  const PublicKey& key = issuer.public_key();
  const auto algorithm = jws_algorithm_of(key.spec());
  if (!algorithm) {
    throw Error(CKR_KEY_TYPE_INCONSISTENT, to_string(key.spec()) + " keys can't sign tokens");
  }
  if (!key_id.empty() && !is_key_id(key_id)) {
    refuse_issue("a key ID has 1 to " + std::to_string(kMaxKeyId) +
                 " bytes and no control characters");
  }
  const std::string claims = wit_claims_json(wit);
  try {
    if (!is_as_meant(parse_wit_claims(claims), wit)) {
      refuse_issue("its claims would not be read as they were meant");
    }
  } catch (const Refused& refused) {
    refuse_issue(refused.what());
  }
  if (wit.expires <= now_unix_s) refuse_issue("it would have expired");
  const std::string named = key_id.empty() ? jwk_thumbprint(key) : key_id;
  std::string text = make_compact_jws({*algorithm, kWitType, named, false}, claims, issuer);
  if (text.size() > kMaxWitSize) refuse_issue("it would be too long");
  return text;
}

Wit read_wit(std::string_view text, const std::vector<PublishedKey>& issuer) {
  const CompactJws jws = take_apart_wit(text);
  static_cast<void>(find_signer(jws, issuer, Part::credential));
  return parse_wit_claims(jws.payload);
}

Wit read_unverified_wit(std::string_view text) {
  return parse_wit_claims(take_apart_wit(text).payload);
}

std::string token_hash(std::string_view text) {
  return to_base64url(digest(Hash::sha256, as_bytes(text)));
}

}  // namespace mayfly::credential
