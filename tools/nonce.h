// A verifier's nonce on the command line.
#pragma once

#include <string>

#include "base/bytes.h"

namespace mayfly::tools {

/// The bytes of a nonce that was written as hexadecimal digits.
/// @throws Failure kUsage for what is none, or too short or too long for evidence.
[[nodiscard]] Bytes parse_nonce(std::string digits);

}  // namespace mayfly::tools
