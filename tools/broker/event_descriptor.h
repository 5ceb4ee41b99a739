// Descriptors that one thread makes readable for another.
#pragma once

#include "base/descriptor.h"

namespace mayfly::broker {

/// An eventfd(2) that does not block and is closed on exec.
/// @throws std::system_error
[[nodiscard]] Descriptor make_event();

}  // namespace mayfly::broker
