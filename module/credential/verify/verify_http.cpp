#include <algorithm>
#include <array>

#include "base/base64url.h"
#include "base/hash.h"
#include "credential/proof/target_uri.h"
#include "credential/verify/checks.h"

namespace mayfly::credential {
namespace {

constexpr std::string_view kContentDigest = "content-digest";
constexpr std::string_view kAuthorization = "authorization";

bool covers(const SignatureInput& input, std::string_view component) {
  return std::ranges::find(input.components, component) != input.components.end();
}

void require_covered(const SignatureInput& input, std::string_view component) {
  if (!covers(input, component)) {
    throw Refused(Part::proof, Reason::wrong_content, "it leaves out " + std::string(component));
  }
}

SignatureFields read_fields(const HttpProof& proof) {
  try {
    return parse_signature_fields(proof.input, proof.signature);
  } catch (const Error& error) {
    throw Refused(Part::proof, Reason::malformed, error.what());
  }
}

std::string base_of(const HttpProof& proof, const SignatureFields& fields) {
  try {
    return signature_base(proof.message, fields.input, fields.params);
  } catch (const Error& error) {
    throw Refused(Part::proof, Reason::wrong_content, error.what());
  }
}

void check_http_signature(const SignatureFields& fields, const std::string& base,
                          const VerifiedCredential& credential) {
  const KeySpec& spec = credential.key.spec();
  const auto scheme =
      http_scheme(fields.input.algorithm.value_or(std::string(http_algorithm_of(spec))), spec);
  if (!scheme) throw Refused(Part::proof, Reason::algorithm);
  if (!is_signature(*scheme, credential.key, as_bytes(base), fields.signature)) {
    throw Refused(Part::proof, Reason::bad_signature);
  }
}

/// What a signature must be over to be a proof for this request, and no other.
void check_coverage(const HttpProof& proof, const SignatureInput& input,
                    const ProofExpectations& expected) {
  require_covered(input, "@method");
  if (!covers(input, "@target-uri")) {
    for (const char* part : {"@authority", "@path", "@query"}) require_covered(input, part);
  }
  for (const std::string& field : expected.covered) require_covered(input, field);
  if (!proof.body.empty()) require_covered(input, kContentDigest);
  const auto digest = component_value(proof.message, kContentDigest);
  if (digest && !is_content_digest(*digest, proof.body)) {
    throw Refused(Part::proof, Reason::wrong_content, "the body is not the one of Content-Digest");
  }
}

/// Whether the field Authorization is a scheme, followed by a token (RFC 9110, 11.4).
bool is_authorization(std::string_view field, std::string_view token) {
  const std::size_t scheme = field.find(' ');
  if (!is_http_token(field.substr(0, scheme))) return false;
  const std::size_t start = field.find_first_not_of(' ', scheme);
  return start != field.npos && field.substr(start) == token;
}

/// A proof of the same request with another access token, or with none, is another proof.
void check_access_token(const HttpProof& proof, const SignatureInput& input,
                        const std::string& access_token) {
  if (access_token.empty()) return;
  if (!covers(input, kAuthorization)) {
    throw Refused(Part::proof, Reason::wrong_token, "it leaves out authorization");
  }
  const auto field = component_value(proof.message, kAuthorization);
  if (!field || !is_authorization(*field, access_token)) {
    throw Refused(Part::proof, Reason::wrong_token);
  }
}

}  // namespace

void verify_http(const HttpProof& proof, const VerifiedCredential& credential,
                 const ProofExpectations& expected, ReplayCache& seen) {
  const SignatureFields fields = read_fields(proof);
  const SignatureInput& input = fields.input;
  const std::string base = base_of(proof, fields);
  check_http_signature(fields, base, credential);
  if (!input.created) {
    throw Refused(Part::proof, Reason::missing_claim, "created");
  }
  const auto max_life = static_cast<std::uint64_t>(expected.max_life.count());
  check_begin(Part::proof, *input.created, expected.clock);
  if (input.expires) check_end(Part::proof, *input.expires, expected.clock);
  if (expected.clock.now_unix_s >= *input.created + max_life) {
    throw Refused(Part::proof, Reason::too_old);
  }
  const std::string& key_id = expected.key_id.empty() ? credential.thumbprint : expected.key_id;
  if (input.key_id && *input.key_id != key_id) throw Refused(Part::proof, Reason::other_key);
  if (!expected.nonce.empty() && input.nonce != expected.nonce) {
    throw Refused(Part::proof, Reason::wrong_nonce);
  }
  check_coverage(proof, input, expected);
  check_access_token(proof, input, expected.access_token);
  // By what was signed, not by the signature: ECDSA's have two forms each.
  const std::string id = to_base64url(digest(Hash::sha256, as_bytes(base)));
  check_first(seen, credential.thumbprint, id, *input.created + max_life, expected.clock);
}

}  // namespace mayfly::credential
