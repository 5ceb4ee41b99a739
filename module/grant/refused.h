// Why a grant was refused.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace mayfly::grant {

/// Each way in which a grant can be wrong. docs/grants.md has the same list.
enum class Reason {
  too_long,          ///< the text is longer than any grant
  malformed,         ///< it is not three parts in base64url
  header,            ///< its header is no JSON, or has a member that is not known
  critical,          ///< its header has `crit`
  key_in_header,     ///< its header brings a key, or says where to fetch one
  type,              ///< its `typ` is another
  algorithm,         ///< its `alg` is none of the four
  no_approvers,      ///< the file of approvers can't be used
  unknown_approver,  ///< no approver has its `kid`, or a key for its `alg`
  wrong_key_type,    ///< the approver's key is not one for its `alg`
  bad_signature,     ///< it was not signed by the approver
  claims,            ///< its claims are no JSON
  duplicate_claim,   ///< a claim is there twice
  missing_claim,     ///< a claim is not there
  unknown_claim,     ///< a claim is there that this version does not know
  bad_claim,         ///< a claim has a value that it can't have
  issued_in_future,  ///< `iat` is still to come
  too_early,         ///< `nbf` is still to come
  expired,           ///< `exp` is past
  valid_too_long,    ///< from `iat` to `exp` it is longer than grants.max-life
  ttl_too_long,      ///< its task would live longer than this broker allows
  wrong_audience,    ///< it is for other brokers
  wrong_task,        ///< it is for another task
  wrong_parent,      ///< it is for a child of another task, or for none
  spent,             ///< it has opened its task before
};

/// The name of a reason, for scripts: "bad-signature".
[[nodiscard]] std::string_view name_of(Reason reason) noexcept;

/// What a reason means, for people: "it was not signed by the approver whose key it names".
[[nodiscard]] std::string_view text_of(Reason reason) noexcept;

/// What a PKCS#11 client is told: CKR_PIN_EXPIRED for what was good once (expired, spent),
/// CKR_PIN_INCORRECT for everything else. The rest is for the log.
[[nodiscard]] CK_RV rv_of(Reason reason) noexcept;

/// A grant was refused. Its value for PKCS#11 is rv_of() the reason.
class Refused : public Error {
 public:
  /// @param detail  What exactly, for the log; may be empty. Printable, whatever the grant holds.
  explicit Refused(Reason reason, const std::string& detail = {});

  [[nodiscard]] Reason reason() const noexcept { return reason_; }

 private:
  Reason reason_;
};

}  // namespace mayfly::grant
