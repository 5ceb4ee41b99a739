#include "credential/proof/wpt.h"

#include <algorithm>

#include "base/random.h"
#include "base/utf8.h"
#include "credential/jose/claims_reader.h"
#include "credential/refused.h"

namespace mayfly::credential {
namespace {

constexpr std::string_view kWptTypes[] = {kWptType, kLongWptType};

Wit wit_of_request(const WptRequest& request) {
  try {
    return read_unverified_wit(request.wit);
  } catch (const Refused& refused) {
    throw Error(CKR_ARGUMENTS_BAD, std::string("no proof is made: ") + refused.what());
  }
}

Wpt read_wpt_claims(JsonObject& claims) {
  Wpt proof;
  proof.audience = claims.printable_text("aud", kMaxClaim);
  proof.id = claims.printable_text("jti", kMaxClaim);
  proof.expires = read_time(claims, "exp");
  if (claims.has("iat")) proof.issued_at = read_time(claims, "iat");
  proof.wit_hash = claims.printable_text("wth", kMaxClaim);
  if (claims.has("ath")) proof.token_hash = claims.printable_text("ath", kMaxClaim);
  for (const char* other : {"tth", "oth"}) {
    if (claims.has(other)) claims.refuse(other, "binds tokens that are not looked at here");
  }
  return proof;
}

}  // namespace

std::string make_wpt(const WptRequest& request, const ProofTime& time, Signer& signer) {
  if (request.audience.empty() || request.audience.size() > kMaxClaim ||
      !is_printable_utf8(request.audience)) {
    throw Error(CKR_ARGUMENTS_BAD, "the audience has not 1 to " + std::to_string(kMaxClaim) +
                                       " bytes, or holds control characters");
  }
  const Wit wit = wit_of_request(request);
  if (jwk_thumbprint(wit.key) != jwk_thumbprint(signer.public_key())) {
    throw Error(CKR_ARGUMENTS_BAD, "no proof is made: the identity token is of another key");
  }
  ProofTime bounded = time;
  bounded.deadline_unix_s = std::min(time.deadline_unix_s, wit.expires);
  nlohmann::json claims = {{"aud", request.audience},
                           {"jti", random_id("the ID of a proof")},
                           {"iat", time.now_unix_s},
                           {"exp", bounded.end()},
                           {"wth", token_hash(request.wit)}};
  if (!request.access_token.empty()) claims["ath"] = token_hash(request.access_token);
  return make_compact_jws({wit.algorithm, kWptType, "", false}, claims.dump(), signer);
}

Wpt read_wpt(std::string_view text, const Wit& wit) {
  const JwsAlgorithm only[] = {wit.algorithm};
  const CompactJws jws = parse_token(text, {kMaxProofSize, kWptTypes, only, false}, Part::proof);
  if (!is_signature(jws.algorithm, wit.key, as_bytes(jws.signed_text), jws.signature)) {
    throw Refused(Part::proof, Reason::bad_signature);
  }
  Wpt proof;
  read_claims(jws.payload, kMaxProofSize, Part::proof,
              [&](JsonObject& claims) { proof = read_wpt_claims(claims); });
  return proof;
}

}  // namespace mayfly::credential
