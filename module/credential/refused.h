// Why a credential, a proof of its key, or a list that tells of it was refused.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace mayfly::credential {

/// What was refused.
enum class Part {
  credential,   ///< the token or certificate that names a key
  proof,        ///< a signature by that key
  status_list,  ///< what says which credentials hold
  key_set,      ///< the issuer's public keys
  attestation,  ///< a device's evidence of the key
};

/// Each way in which one of them can be wrong. docs/credentials.md has the same list.
enum class Reason {
  too_long,          ///< the text is longer than any such text
  malformed,         ///< it is not three parts in base64url, or no such header field
  header,            ///< its header is no JSON, or has a member that is not known
  critical,          ///< its header has `crit`
  key_in_header,     ///< its header brings a key, or says where to fetch one
  type,              ///< its `typ` is another
  algorithm,         ///< its `alg` is none that is allowed, or not that of the key
  no_keys,           ///< the set of keys can't be used
  unknown_key,       ///< the set has no key of its `kid`, or none for its `alg`
  wrong_key_type,    ///< the key of its `kid` is not one for its `alg`
  bad_signature,     ///< it was not signed by that key
  claims,            ///< its claims are no JSON object
  duplicate_claim,   ///< a claim is there twice
  missing_claim,     ///< a claim is not there
  bad_claim,         ///< a claim has a value that it can't have
  issued_in_future,  ///< it was made later than now
  too_early,         ///< `nbf` is still to come
  expired,           ///< its end is past
  too_old,           ///< it was made too long ago
  valid_too_long,    ///< it would hold for longer than is allowed
  wrong_issuer,      ///< it is by another issuer
  wrong_subject,     ///< it is for another workload, or one of another trust domain
  wrong_task,        ///< it is for another task
  other_key,         ///< it is of another key than the credential names
  wrong_audience,    ///< it is for another recipient
  wrong_method,      ///< it is for another HTTP method
  wrong_target,      ///< it is for another URI
  wrong_content,     ///< it is for another message body, or leaves out what it must cover
  wrong_token,       ///< it is for another access token
  wrong_credential,  ///< it is for another credential
  wrong_nonce,       ///< it has not the nonce that was given out
  replayed,          ///< it was seen before
  no_status,         ///< the credential says of no list that it stands there
  unreachable,       ///< the list could not be fetched
  stale_status,      ///< the list is older than is allowed
  other_list,        ///< the list is another than the credential says
  not_listed,        ///< the list ends before the credential's place
  revoked,           ///< the list says that the credential holds no more
  chain,             ///< the certificate does not lead to the issuer
  not_attested,      ///< the evidence does not hold
};

/// The name of a part, for scripts: "status-list".
[[nodiscard]] std::string_view name_of(Part part) noexcept;

/// The name of a reason, for scripts: "bad-signature".
[[nodiscard]] std::string_view name_of(Reason reason) noexcept;

/// What a reason means, for people: "its signature is not one of the key that it names".
[[nodiscard]] std::string_view text_of(Reason reason) noexcept;

/// Something was refused. Its value for PKCS#11 is CKR_SIGNATURE_INVALID.
class Refused : public Error {
 public:
  /// @param detail  What exactly, for the log; may be empty. Printable, whatever was refused holds.
  Refused(Part part, Reason reason, const std::string& detail = {});

  [[nodiscard]] Part part() const noexcept { return part_; }
  [[nodiscard]] Reason reason() const noexcept { return reason_; }

 private:
  Part part_;
  Reason reason_;
};

}  // namespace mayfly::credential
