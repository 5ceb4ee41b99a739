// Descriptors that a PIN is read from.
#pragma once

#include <vector>

#include "config/config.h"

namespace mayfly::broker {

/// The descriptors that a configuration takes PINs from (`fd:NUMBER`): the worker's, and never the
/// command's.
/// @throws tools::Failure kWrongPin if one of them is not open, or is standard input, which the
///         command needs. To be called before anything is opened that could have its number.
[[nodiscard]] std::vector<int> pin_descriptors(const Config& config);

}  // namespace mayfly::broker
