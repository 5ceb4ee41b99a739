// A refusal of the registry, told apart from its faults.
#pragma once

#include <string>

#include "base/error.h"
#include "registry/records.h"

namespace mayfly {

/// The registry was asked and says no. Its CK_RV is what the client that wanted it is answered.
class RegistryRefused final : public Error {
 public:
  RegistryRefused(RegistryRefusal reason, CK_RV rv, const std::string& message)
      : Error(rv, message), reason_(reason) {}

  [[nodiscard]] RegistryRefusal reason() const noexcept { return reason_; }

 private:
  RegistryRefusal reason_;
};

}  // namespace mayfly
