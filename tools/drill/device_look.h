// What the device itself holds, seen past mayfly.
#pragma once

#include <set>
#include <string>

#include "tools/drill/ground.h"

namespace mayfly::drill {

/// DeviceLook is the list of a token's stored objects at one moment. It is asked for by a process
/// of its own, so that this one may go on without the device's library.
class DeviceLook {
 public:
  /// @throws NotTried for a TPM, which has no list of that kind; std::runtime_error.
  explicit DeviceLook(const Ground& ground);

  /// What is here and was not there; empty if nothing.
  [[nodiscard]] std::string added_since(const DeviceLook& before) const;
  [[nodiscard]] bool holds(const std::string& object) const { return objects_.contains(object); }

 private:
  std::multiset<std::string> objects_;
};

}  // namespace mayfly::drill
