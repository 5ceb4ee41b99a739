#include "credential/proof/dpop.h"

#include "base/random.h"
#include "credential/jose/claims_reader.h"
#include "credential/proof/target_uri.h"
#include "credential/wit/wit.h"

namespace mayfly::credential {
namespace {

constexpr std::string_view kDpopTypes[] = {kDpopType};
constexpr std::size_t kMaxMethod = 32;

Dpop read_dpop_claims(JsonObject& claims, const PublicKey& key) {
  Dpop proof{key, {}, {}, {}, 0, {}, {}, {}};
  proof.id = claims.printable_text("jti", kMaxClaim);
  proof.method = claims.printable_text("htm", kMaxMethod);
  proof.target = claims.printable_text("htu", kMaxClaim);
  proof.issued_at = read_time(claims, "iat");
  if (claims.has("exp")) proof.expires = read_time(claims, "exp");
  if (claims.has("ath")) proof.token_hash = claims.printable_text("ath", kMaxClaim);
  if (claims.has("nonce")) proof.nonce = claims.printable_text("nonce", kMaxClaim);
  return proof;
}

}  // namespace

std::string make_dpop(const DpopRequest& request, const ProofTime& time, Signer& signer) {
  const auto target = parse_target_uri(request.target);
  if (!target) {
    throw Error(CKR_ARGUMENTS_BAD, "the request's URI is no absolute http or https URI");
  }
  if (!is_http_method(request.method)) {
    throw Error(CKR_ARGUMENTS_BAD, "the request's method is none that HTTP has");
  }
  const auto algorithm = jws_algorithm_of(signer.public_key().spec());
  if (!algorithm) {
    throw Error(CKR_KEY_TYPE_INCONSISTENT,
                to_string(signer.public_key().spec()) + " keys can't sign proofs");
  }
  nlohmann::json claims = {{"jti", random_id("the ID of a proof")},
                           {"htm", request.method},
                           {"htu", target->without_query()},
                           {"iat", time.now_unix_s},
                           {"exp", time.end()}};
  if (!request.access_token.empty()) claims["ath"] = token_hash(request.access_token);
  if (!request.nonce.empty()) claims["nonce"] = request.nonce;
  const std::string text = claims.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return make_compact_jws({*algorithm, kDpopType, "", true}, text, signer);
}

Dpop read_dpop(std::string_view text) {
  const CompactJws jws =
      parse_token(text, {kMaxProofSize, kDpopTypes, kJwsAlgorithms, true}, Part::proof);
  if (!is_signature(jws.algorithm, *jws.key, as_bytes(jws.signed_text), jws.signature)) {
    throw Refused(Part::proof, Reason::bad_signature);
  }
  std::optional<Dpop> proof;
  read_claims(jws.payload, kMaxProofSize, Part::proof,
              [&](JsonObject& claims) { proof = read_dpop_claims(claims, *jws.key); });
  return *std::move(proof);
}

}  // namespace mayfly::credential
