// Who allowed a task, and for whom.
#pragma once

#include <string>
#include <vector>

namespace mayfly {

struct TaskOrigin {
  std::string agent;     ///< a grant's sub, or a user of this machine
  std::string approver;  ///< the thumbprint of the key that signed the grant; empty without one
  std::string issuer;    ///< the grant's iss; empty without one
  std::string grant_id;  ///< its jti; empty without one
  std::vector<std::string> scope = {};  ///< what credentials of the task may be for

  [[nodiscard]] bool granted() const noexcept { return !approver.empty(); }
};

}  // namespace mayfly
