#include "grant/verify.h"

#include <algorithm>

#include "base/joined.h"
#include "base/safeguard.h"
#include "grant/claims.h"
#include "grant/refused.h"
#include "grant/token.h"

namespace mayfly::grant {
namespace {

/// The approver who signed it. With a kid, only the one of that name, or of that thumbprint, can
/// have; without, each whose key fits is tried.
const Approver& find_signer(const CompactJws& jws, const std::vector<Approver>& approvers) {
  bool any_asked = false;
  for (const Approver& approver : approvers) {
    const bool named =
        jws.key_id && (*jws.key_id == approver.key_id || *jws.key_id == approver.thumbprint);
    if (jws.key_id && !named) continue;
    if (approver.algorithm != jws.algorithm) {
      if (named) throw Refused(Reason::wrong_key_type);
      continue;
    }
    any_asked = true;
    if (is_signature(jws.algorithm, approver.key, as_bytes(jws.signed_text), jws.signature) ||
        !kept(Safeguard::grant_signature)) {
      return approver;
    }
  }
  throw Refused(any_asked ? Reason::bad_signature : Reason::unknown_approver);
}

std::string seconds_text(std::uint64_t seconds) { return std::to_string(seconds) + " s"; }

void check_time(const Grant& grant, const Expectations& expected) {
  if (!kept(Safeguard::grant_time)) return;
  const std::uint64_t now = expected.now_unix_s;
  const auto skew = static_cast<std::uint64_t>(expected.clock_skew.count());
  // All of them are far from where 64 bits end.
  if (grant.issued_at > now + skew) {
    throw Refused(Reason::issued_in_future, "by " + seconds_text(grant.issued_at - now));
  }
  if (grant.not_before && *grant.not_before > now + skew) {
    throw Refused(Reason::too_early, "for another " + seconds_text(*grant.not_before - now));
  }
  if (now >= grant.expires + skew) {
    throw Refused(Reason::expired, seconds_text(now - grant.expires) + " ago");
  }
  const std::uint64_t life = grant.expires - grant.issued_at;
  if (life > static_cast<std::uint64_t>(expected.max_life.count())) {
    throw Refused(Reason::valid_too_long, seconds_text(life));
  }
}

void check_place(const Grant& grant, const Expectations& expected) {
  if (!kept(Safeguard::grant_place)) return;
  if (grant.ttl > expected.max_ttl) {
    throw Refused(Reason::ttl_too_long,
                  seconds_text(static_cast<std::uint64_t>(grant.ttl.count())));
  }
  if (expected.audience.empty()) {
    throw Refused(Reason::wrong_audience, "it has no name; set grants.audience");
  }
  if (std::ranges::find(grant.audience, expected.audience) == grant.audience.end()) {
    throw Refused(Reason::wrong_audience,
                  "it is for " + joined(grant.audience, ", ") + ", not for " + expected.audience);
  }
  if (expected.task && *expected.task != grant.task) {
    throw Refused(Reason::wrong_task, "it is for " + grant.task);
  }
  if (expected.parent != grant.parent) {
    throw Refused(Reason::wrong_parent, grant.parent ? "it is for a child of " + *grant.parent
                                                     : std::string("it is for no child"));
  }
}

}  // namespace

Verified verify(std::string_view text, const std::vector<Approver>& approvers,
                const Expectations& expected) {
  const CompactJws jws = parse_token(text);
  const Approver& signer = find_signer(jws, approvers);
  Verified verified{parse_claims(jws.payload), signer.thumbprint, signer.key_id};
  check_time(verified.grant, expected);
  check_place(verified.grant, expected);
  return verified;
}

Unverified read_unverified(std::string_view text) {
  const CompactJws jws = parse_token(text);
  return {std::string(name_of(jws.algorithm)), jws.key_id.value_or(""), parse_claims(jws.payload)};
}

}  // namespace mayfly::grant
