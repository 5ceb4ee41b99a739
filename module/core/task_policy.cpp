#include "core/task_policy.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/safeguard.h"

namespace mayfly {

TaskPolicy tighter(const TaskPolicy& a, const TaskPolicy& b) {
  TaskPolicy both;
  both.strict_usage = a.strict_usage || b.strict_usage;
  both.login_required = a.login_required || b.login_required;
  both.grant_required = a.grant_required || b.grant_required;
  both.mechanisms = kept(Safeguard::policy) ? a.mechanisms & b.mechanisms : a.mechanisms;
  both.keys = kept(Safeguard::policy) ? a.keys & b.keys : a.keys;
  both.max_objects = std::min(a.max_objects, b.max_objects);
  both.max_keys = std::min(a.max_keys, b.max_keys);
  both.max_signatures = std::min(a.max_signatures, b.max_signatures);
  both.max_rate = std::min(a.max_rate, b.max_rate);
  both.max_ttl = std::min(a.max_ttl, b.max_ttl);
  both.max_depth = std::min(a.max_depth, b.max_depth);
  both.openers = a.openers;
  both.openers.insert(b.openers.begin(), b.openers.end());
  return both;
}

void check_opener(const TaskPolicy& policy, const Peer& opener) {
  const bool admitted = std::ranges::all_of(
      policy.openers, [&](const PeerRule& rule) { return rule.admits(opener); });
  if (!admitted) {
    throw Error(CKR_FUNCTION_REJECTED, "user " + std::to_string(opener.user) +
                                           " may not open tasks; see users and groups of the "
                                           "policy");
  }
}

}  // namespace mayfly
