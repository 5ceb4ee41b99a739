// What the keys of a task may do, and how much of it there may be.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <set>

#include "base/mechanism.h"
#include "base/peer.h"

namespace mayfly {

/// TaskPolicy is a plain value. As it is made it forbids nothing; whoever has a say in a task (the
/// configuration, a grant, the parent of a child) makes one, and tighter() joins them.
struct TaskPolicy {
  static constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
  static constexpr unsigned kMaxDepth = 16;

  bool strict_usage = false;    ///< refuse usages beyond signing instead of narrowing them away
  bool login_required = false;  ///< whether clients must log in before they see private keys
  bool grant_required = false;  ///< whether a task is opened with a grant only
  MechanismSet mechanisms = MechanismSet::all();  ///< for signing and verifying
  KeySpecSet keys = KeySpecSet::all();            ///< the kinds of key pairs that can be made
  std::uint64_t max_objects = kNoLimit;           ///< objects at once, keys included
  std::uint64_t max_keys = kNoLimit;  ///< key pairs made in the task's whole life, destroyed or not
  std::uint64_t max_signatures = kNoLimit;  ///< in the task's whole life, by all its keys
  /// Signatures a second: as many may be made at once after a rest of a second.
  std::uint64_t max_rate = kNoLimit;
  std::chrono::seconds max_ttl = std::chrono::seconds::max();  ///< the longest that it may live
  /// How deep tasks may be nested below it: 0 for none.
  unsigned max_depth = kMaxDepth;
  std::set<PeerRule> openers = {};  ///< whoever opens it must be admitted by each; none admits all

  friend bool operator==(const TaskPolicy&, const TaskPolicy&) = default;
};

/// What both allow, and no more: of each limit the tighter. The order does not matter, nor whether
/// a policy comes once or twice.
[[nodiscard]] TaskPolicy tighter(const TaskPolicy& a, const TaskPolicy& b);

/// @throws Error CKR_FUNCTION_REJECTED if the policy does not let somebody open a task.
void check_opener(const TaskPolicy& policy, const Peer& opener);

}  // namespace mayfly
