#include "grant/issue.h"

#include <algorithm>

#include "grant/approvers.h"
#include "grant/claims.h"
#include "grant/refused.h"
#include "grant/token.h"
#include "grant/verify.h"

namespace mayfly::grant {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Error(CKR_ARGUMENTS_BAD, "no grant is issued: " + why);
}

/// The claims as JSON, after a look at them with a verifier's eyes.
std::string checked_claims(const Grant& grant, std::uint64_t now_unix_s) {
  std::string json = to_json(grant);
  try {
    if (parse_claims(json) != grant) refuse("its claims would not be read as they were meant");
  } catch (const Refused& refused) {
    refuse(refused.what());
  }
  if (grant.expires <= now_unix_s) refuse("it would have expired");
  return json;
}

/// When and where a grant holds, by its own words.
Expectations own_expectations(const Grant& grant) {
  Expectations expected;
  expected.audience = grant.audience.front();
  expected.task = grant.task;
  expected.parent = grant.parent;
  expected.now_unix_s = std::max(grant.issued_at, grant.not_before.value_or(0));
  expected.clock_skew = std::chrono::seconds(0);
  expected.max_life = std::chrono::seconds(grant.expires - grant.issued_at);
  expected.max_ttl = grant.ttl;
  return expected;
}

}  // namespace

std::string issue(const Grant& grant, const std::string& key_id, Signer& signer,
                  std::uint64_t now_unix_s) {
  const PublicKey& key = signer.public_key();
  // Refuses keys and key IDs that no file of approvers could name.
  const std::vector<Approver> own = parse_approvers("{\"keys\":[" + to_jwk(key, key_id) + "]}");
  const Approver& approver = own.front();
  const std::string claims = checked_claims(grant, now_unix_s);
  std::string text =
      make_compact_jws({approver.algorithm, kType, approver.key_id, false}, claims, signer);
  try {
    if (verify(text, own, own_expectations(grant)).grant == grant) return text;
  } catch (const Refused& refused) {
    if (refused.reason() == Reason::too_long) refuse(refused.what());
    throw Error(CKR_DEVICE_ERROR, std::string("no grant is issued, because what was signed does "
                                              "not verify with the approver's own public key: ") +
                                      refused.what());
  }
  refuse("its claims would not be read as they were meant");
}

}  // namespace mayfly::grant
