// Failures of the registry of which nobody knows what came of them.
#pragma once

#include "base/error.h"

namespace mayfly {

/// The very last step of what was asked for failed, or got no answer: it may have been done, or be
/// done yet. Asking again is safe.
class RegistryUnanswered final : public Error {
 public:
  using Error::Error;
};

}  // namespace mayfly
