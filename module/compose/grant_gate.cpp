#include "compose/grant_gate.h"

#include <algorithm>

#include "base/clock.h"
#include "base/mechanism.h"
#include "grant/refused.h"

namespace mayfly {
namespace {

std::unique_ptr<grant::TrustedApprovers> trusted_approvers(const GrantsConfig& config) {
  if (config.approvers.empty()) return nullptr;
  return std::make_unique<grant::TrustedApprovers>(config.approvers.string());
}

/// The mechanisms of a grant. What this version does not know is nothing that a key can do.
MechanismSet mechanisms_of(const grant::Grant& grant) {
  if (grant.mechanisms.empty()) return MechanismSet::all();
  MechanismSet known;
  for (const std::string& name : grant.mechanisms) {
    if (const Mechanism* mechanism = find_signing_mechanism(name)) known.insert(*mechanism);
  }
  return known;
}

}  // namespace

TaskPolicy policy_of(const grant::Grant& grant) {
  TaskPolicy policy;
  policy.mechanisms = mechanisms_of(grant);
  policy.max_keys = grant.max_keys.value_or(TaskPolicy::kNoLimit);
  policy.max_signatures = grant.max_signatures.value_or(TaskPolicy::kNoLimit);
  policy.max_ttl = grant.ttl;
  policy.max_depth = std::min(grant.children, TaskPolicy::kMaxDepth);
  return policy;
}

GrantGate::GrantGate(const Config& config)
    : config_(config.grants),
      max_ttl_(config.task.max_ttl),
      approvers_(trusted_approvers(config.grants)) {}

CheckedGrant GrantGate::check(std::string_view text, const std::string& task_id,
                              const ParentTask* parent) const {
  if (approvers_ == nullptr) {
    throw grant::Refused(grant::Reason::no_approvers, "grants.approvers names no file");
  }
  grant::Expectations expected;
  expected.audience = config_.audience;
  expected.task = task_id;
  if (parent != nullptr) expected.parent = parent->id;
  expected.now_unix_s = unix_now_s();
  expected.clock_skew = config_.clock_skew;
  expected.max_life = config_.max_life;
  expected.max_ttl = max_ttl_;
  const grant::Verified verified = grant::verify(text, *approvers_->current(), expected);
  const grant::Grant& grant = verified.grant;
  return {{policy_of(grant), {grant.agent, verified.approver, grant.issuer, grant.id, grant.scope}},
          {{grant.issuer, grant.id}, grant.expires}};
}

}  // namespace mayfly
