#include "credential/status/status_token.h"

#include <algorithm>

#include "credential/jose/claims_reader.h"

namespace mayfly::credential {
namespace {

constexpr std::string_view kStatusTypes[] = {kStatusListType};
constexpr std::uint64_t kMaxStatusTtl = 366ULL * 24 * 3600;

StatusToken parse_status_claims(std::string_view json) {
  StatusToken token;
  read_claims(json, kMaxStatusTokenSize, Part::status_list, [&](JsonObject& claims) {
    if (claims.has("iss")) token.issuer = claims.printable_text("iss", kMaxClaim);
    token.uri = claims.printable_text("sub", kMaxClaim);
    token.issued_at = read_time(claims, "iat");
    if (claims.has("exp")) {
      token.expires = read_time(claims, "exp");
      if (token.expires <= token.issued_at) claims.refuse("exp", "is not after iat");
    }
    if (claims.has("ttl")) {
      token.ttl = std::chrono::seconds(claims.number("ttl", kMaxStatusTtl));
      if (token.ttl.count() == 0) claims.refuse("ttl", "is zero");
    }
    JsonObject list = claims.object("status_list");
    token.list = StatusList::unpacked(list.number("bits", 8), list.text("lst"));
  });
  return token;
}

std::string status_claims_json(const StatusToken& token) {
  nlohmann::json claims = {
      {"sub", token.uri},
      {"iat", token.issued_at},
      {"status_list", {{"bits", token.list.bits()}, {"lst", token.list.packed()}}}};
  if (!token.issuer.empty()) claims["iss"] = token.issuer;
  if (token.expires != 0) claims["exp"] = token.expires;
  if (token.ttl.count() != 0) claims["ttl"] = token.ttl.count();
  return claims.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

StatusList make_status_list(const std::vector<StatusEntry>& entries) {
  std::uint64_t places = 0;
  for (const StatusEntry& entry : entries) places = std::max(places, entry.index + 1);
  StatusList list(places);
  for (const StatusEntry& entry : entries) list.set(entry.index, entry.status);
  return list;
}

std::string issue_status_token(const StatusToken& token, const std::string& key_id,
                               Signer& issuer) {
  const PublicKey& key = issuer.public_key();
  const auto algorithm = jws_algorithm_of(key.spec());
  if (!algorithm) {
    throw Error(CKR_KEY_TYPE_INCONSISTENT, to_string(key.spec()) + " keys can't sign tokens");
  }
  const std::string claims = status_claims_json(token);
  try {
    const StatusToken read = parse_status_claims(claims);
    if (read.uri != token.uri || read.issuer != token.issuer) {
      throw Error(CKR_ARGUMENTS_BAD, "its name or issuer would not be read as it was meant");
    }
  } catch (const Error& error) {
    throw Error(CKR_ARGUMENTS_BAD, std::string("no status list is issued: ") + error.what());
  }
  const std::string named = key_id.empty() ? jwk_thumbprint(key) : key_id;
  return make_compact_jws({*algorithm, kStatusListType, named, false}, claims, issuer);
}

StatusToken read_status_token(std::string_view text, const std::vector<PublishedKey>& issuer) {
  const CompactJws jws = parse_token(
      text, {kMaxStatusTokenSize, kStatusTypes, kJwsAlgorithms, false}, Part::status_list);
  static_cast<void>(find_signer(jws, issuer, Part::status_list));
  return parse_status_claims(jws.payload);
}

}  // namespace mayfly::credential
