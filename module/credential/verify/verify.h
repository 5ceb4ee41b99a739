// Whether a credential and a proof of its key hold, here and now: what a relying party asks.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "credential/attestation/verify.h"
#include "credential/jose/jwk_set.h"
#include "credential/proof/dpop.h"
#include "credential/proof/http_signature.h"
#include "credential/proof/wpt.h"
#include "credential/status/status_token.h"
#include "credential/verify/replay_cache.h"
#include "credential/wit/wit.h"

namespace mayfly::credential {

/// By which clock times are looked at.
struct Clock {
  std::uint64_t now_unix_s = 0;  ///< seconds since 1970, UTC
  /// How far ahead the clocks of others may be. It never lengthens a life: what has ended by this
  /// clock has ended.
  std::chrono::seconds skew{30};
};

/// What a credential is measured against. What is empty says nothing.
struct CredentialExpectations {
  Clock clock;
  std::string issuer;   ///< iss, or of a certificate: nothing
  std::string subject;  ///< sub, or the URI of a certificate; with a "/*" at its end, all below it
  std::string task_id;
};

/// A credential that holds, whatever its form.
struct VerifiedCredential {
  PublicKey key;
  std::string thumbprint;  ///< of the key's JWK
  std::string subject;
  std::uint64_t expires = 0;
  std::optional<Wit> wit;  ///< nothing for a certificate
};

/// Verifies a workload identity token, but for its status.
/// @throws Refused with Part::credential and the first reason of Reason's order that applies.
[[nodiscard]] VerifiedCredential verify_wit(std::string_view text,
                                            const std::vector<PublishedKey>& issuer,
                                            const CredentialExpectations& expected);

/// Verifies that a token's task goes on, by a status list.
/// @param text  The list, as it was fetched.
/// @param most_stale  How old the list may be, by its own iat.
/// @throws Refused no_status if the token names no list; with Part::status_list whatever is wrong
///         with the list; not_listed; revoked.
void verify_status(const Wit& wit, std::string_view text, const std::vector<PublishedKey>& issuer,
                   const Clock& clock, std::chrono::seconds most_stale);

/// Verifies that a credential's key is the one of which a device gave evidence.
/// @throws Refused other_key, wrong_task or valid_too_long: the credential would outlive what the
///         evidence says is the task's deadline.
void verify_attested(const VerifiedCredential& credential, const attestation::Verified& evidence);

/// What a proof is measured against.
struct ProofExpectations {
  Clock clock;
  std::string method;    ///< of the request
  std::string target;    ///< the URI of the request
  std::string audience;  ///< WPT: what aud must be; empty: the target without its query
  /// The one that came along. Empty: none came, and a DPoP or workload proof names none.
  std::string access_token;
  std::string nonce;   ///< DPoP, HTTP: the one that was given out; empty: none was
  std::string key_id;  ///< HTTP: what keyid must be where there is one; empty: the key's thumbprint
  std::vector<std::string> covered;  ///< HTTP: components that must be signed besides the usual
  std::chrono::seconds max_life = kMaxProofLife;  ///< how long a proof may hold
};

/// Verifies a DPoP proof of a credential's key, which is good once.
/// @throws Refused with Part::proof; Error what the cache says.
void verify_dpop(std::string_view text, const VerifiedCredential& credential,
                 const ProofExpectations& expected, ReplayCache& seen);

/// Verifies a workload proof token that came with an identity token.
/// @param wit_text  The identity token, as it came.
/// @throws Refused with Part::proof; Error what the cache says.
void verify_wpt(std::string_view text, std::string_view wit_text,
                const VerifiedCredential& credential, const ProofExpectations& expected,
                ReplayCache& seen);

/// A request that carries an HTTP message signature.
struct HttpProof {
  HttpMessage message;    ///< with all fields that the signature covers
  Bytes body;             ///< empty: none came
  std::string input;      ///< the field Signature-Input
  std::string signature;  ///< the field Signature
};

/// Verifies an HTTP message signature by a credential's key, which is good once. It must be over
/// the method, the URI (as a whole, or authority, path and query), the body by Content-Digest if
/// there is one, over Authorization if an access token is expected, which must be a scheme and that
/// token, and what else is expected. The method and the URI of `expected` are not looked at:
/// the message has them.
/// @throws Refused with Part::proof; Error what the cache says.
void verify_http(const HttpProof& proof, const VerifiedCredential& credential,
                 const ProofExpectations& expected, ReplayCache& seen);

}  // namespace mayfly::credential
