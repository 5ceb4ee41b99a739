// From the text of a grant to what it allows.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "config/config.h"
#include "core/task_book.h"
#include "grant/trusted_approvers.h"
#include "grant/verify.h"
#include "registry/records.h"

namespace mayfly {

/// What a grant confines a task to, as a policy. Its ttl is the policy's max_ttl.
[[nodiscard]] TaskPolicy policy_of(const grant::Grant& grant);

/// A grant that holds, but for whether it was spent before.
struct CheckedGrant {
  Terms terms;
  GrantUse use;
};

/// GrantGate verifies grants by the approvers of the configuration.
class GrantGate {
 public:
  explicit GrantGate(const Config& config);

  /// @param text    Of the grant, as it was given.
  /// @param parent  The task above; null for none.
  /// @throws grant::Refused
  [[nodiscard]] CheckedGrant check(std::string_view text, const std::string& task_id,
                                   const ParentTask* parent) const;

 private:
  const GrantsConfig config_;
  const std::chrono::seconds max_ttl_;
  const std::unique_ptr<grant::TrustedApprovers> approvers_;  // null for none
};

}  // namespace mayfly
