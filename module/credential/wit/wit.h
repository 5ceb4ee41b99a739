// Workload identity tokens (draft-ietf-wimse-workload-creds): a JWT that binds a task's key to the
// name of a workload. It is worth nothing without a proof of that key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/jws_algorithm.h"
#include "base/signer.h"
#include "credential/jose/jwk_set.h"

namespace mayfly::credential {

/// The longest text of a token that is looked at, in bytes.
inline constexpr std::size_t kMaxWitSize = 8 * 1024;
inline constexpr std::string_view kWitType = "wit+jwt";

/// Where a credential's status stands (draft-ietf-oauth-status-list, 6.2).
struct StatusReference {
  std::string uri;          ///< the list's own name: its sub
  std::uint64_t index = 0;  ///< the place in it, from 0

  friend bool operator==(const StatusReference&, const StatusReference&) = default;
};

/// What a token says.
struct Wit {
  std::string issuer;           ///< iss: a URI
  std::string subject;          ///< sub: a URI with a trust domain, "spiffe://example.org/task/x"
  std::string id;               ///< jti
  std::uint64_t issued_at = 0;  ///< iat: seconds since 1970, UTC
  std::uint64_t expires = 0;    ///< exp: never past the deadline
  PublicKey key;                ///< cnf.jwk: the task's
  JwsAlgorithm algorithm = JwsAlgorithm::es256;  ///< cnf.jwk.alg: with which its proofs are made
  std::string task_id;                           ///< mayfly_task.id
  std::string task_serial;            ///< mayfly_task.serial: 16 lower-case hexadecimal digits
  std::uint64_t deadline_unix_s = 0;  ///< mayfly_task.deadline: when the task ends at the latest
  std::optional<StatusReference> status;  ///< status.status_list
};

/// Has a token signed by the issuer's key, after a look at it with a verifier's eyes.
/// @param key_id  The header's kid; empty takes the thumbprint of the issuer's key.
/// @throws Error CKR_ARGUMENTS_BAD for claims that no token can have: among them an end that is
/// past
///         the task's deadline, or not after `now_unix_s`; CKR_KEY_TYPE_INCONSISTENT for an
///         issuer's key that can't sign; CKR_DEVICE_ERROR for a signature that is none; what
///         Signer::sign() throws.
[[nodiscard]] std::string issue_wit(const Wit& wit, const std::string& key_id, Signer& issuer,
                                    std::uint64_t now_unix_s);

/// Reads a token that one of the issuer's keys signed. Whether it holds here and now is not looked
/// at: verify/verify.h does.
/// @throws Refused the first reason of Reason's order up to bad_claim that applies.
[[nodiscard]] Wit read_wit(std::string_view text, const std::vector<PublishedKey>& issuer);

/// The same without knowing the issuer's keys, which proves nothing: for showing it to a person,
/// and for whoever holds it to make proofs for it.
[[nodiscard]] Wit read_unverified_wit(std::string_view text);

/// What a text is hashed to where a proof names it: ath, wth (RFC 9449, 4.2): SHA-256 in base64url.
[[nodiscard]] std::string token_hash(std::string_view text);

}  // namespace mayfly::credential
