// Grants that open nothing.
#pragma once

#include <string>
#include <vector>

#include "support/test_approver.h"

namespace mayfly::test {

/// A text in place of a grant, and how it is refused.
struct HostileGrant {
  const char* name;
  std::string text;
  const char* reason;    ///< what the log says of it
  bool expired = false;  ///< whether the client is told CKR_PIN_EXPIRED
};

/// Spoiled in every way that there is a reason for.
/// @param approver  Whom the broker trusts.
[[nodiscard]] std::vector<HostileGrant> hostile_grants(const TestApprover& approver);

}  // namespace mayfly::test
