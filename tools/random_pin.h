// New PINs.
#pragma once

#include "base/secret.h"

namespace mayfly::tools {

/// A PIN of 26 letters, digits, - and _, with 156 random bits from the kernel.
/// @throws Failure kSystem when the kernel gives none.
[[nodiscard]] SecretBuffer make_random_pin();

}  // namespace mayfly::tools
