#include "compose/policies.h"

#include <memory>

#include "base/error.h"

namespace mayfly {
namespace {

TaskPolicy policy_of(const PolicyConfig& config) {
  TaskPolicy policy;
  policy.strict_usage = config.strict_usage;
  policy.login_required = config.login_required;
  policy.grant_required = config.grant_required;
  policy.mechanisms = config.mechanisms.value_or(MechanismSet::all());
  policy.keys = config.keys.value_or(KeySpecSet::all());
  policy.max_keys = config.max_keys.value_or(TaskPolicy::kNoLimit);
  policy.max_signatures = config.max_signatures.value_or(TaskPolicy::kNoLimit);
  policy.max_rate = config.max_rate.value_or(TaskPolicy::kNoLimit);
  policy.max_ttl = config.max_ttl.value_or(policy.max_ttl);
  policy.max_depth = static_cast<unsigned>(config.children.value_or(policy.max_depth));
  if (config.users || config.groups) {
    policy.openers.insert(
        {config.users.value_or(std::set<uid_t>()), config.groups.value_or(std::set<gid_t>())});
  }
  return policy;
}

const PolicyConfig& named_policy(const Config& config, const std::string& name) {
  const auto found = config.named_policies.find(name);
  if (found != config.named_policies.end()) return found->second;
  std::string known;
  for (const auto& [other, policy] : config.named_policies) {
    known += (known.empty() ? "; there are: " : ", ") + other;
  }
  throw Error(CKR_ARGUMENTS_BAD, "the configuration has no policy of the name that was asked for" +
                                     (known.empty() ? "; add a table [policy.NAME]" : known));
}

}  // namespace

std::vector<PolicyLayer> policy_layers(const Config& config, const std::string& name) {
  TaskPolicy others;
  others.login_required = config.login.required;
  others.grant_required = config.grants.required;
  others.max_objects = config.limits.max_objects;
  others.max_ttl = config.task.max_ttl;
  std::vector<PolicyLayer> layers = {{"configuration", others},
                                     {"[policy]", policy_of(config.policy)}};
  if (!name.empty()) {
    layers.push_back({"[policy." + name + "]", policy_of(named_policy(config, name))});
  }
  return layers;
}

TaskPolicy joined(const std::vector<PolicyLayer>& layers) {
  TaskPolicy policy;
  for (const PolicyLayer& layer : layers) policy = tighter(policy, layer.policy);
  return policy;
}

TaskPolicy task_policy(const Config& config, const std::string& name) {
  return joined(policy_layers(config, name));
}

TaskLimits task_limits(const Config& config, const std::string& policy) {
  TaskLimits limits;
  limits.default_ttl = config.task.ttl;
  limits.max_ttl = config.task.max_ttl;
  limits.max_tasks = config.limits.max_tasks;
  limits.policy = task_policy(config, policy);
  // Tables of tasks copy their limits, and need no configuration each for that.
  limits.find_policy = [shared = std::make_shared<const Config>(config)](const std::string& name) {
    return task_policy(*shared, name);
  };
  return limits;
}

}  // namespace mayfly
