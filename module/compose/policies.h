// From the policies of a configuration to the policy of a task.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "core/task_limits.h"
#include "core/task_policy.h"

namespace mayfly {

/// A part of what a task is confined by, and where it stands.
struct PolicyLayer {
  std::string place;  ///< "[policy.NAME]"
  TaskPolicy policy;
};

/// What confines the tasks that are opened under a policy's name: the other tables of the
/// configuration first, then [policy], then [policy.NAME].
/// @param name  Empty for none.
/// @throws Error CKR_ARGUMENTS_BAD for a name that the configuration does not have.
[[nodiscard]] std::vector<PolicyLayer> policy_layers(const Config& config, const std::string& name);

/// All layers together.
[[nodiscard]] TaskPolicy joined(const std::vector<PolicyLayer>& layers);

/// The layers of a name together.
/// @throws Error as policy_layers().
[[nodiscard]] TaskPolicy task_policy(const Config& config, const std::string& name);

/// What bounds the tasks of a configuration that are opened under a policy's name.
/// @throws Error as policy_layers().
[[nodiscard]] TaskLimits task_limits(const Config& config, const std::string& policy);

}  // namespace mayfly
