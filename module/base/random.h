// Random numbers of the kernel.
#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.h"

namespace mayfly {

/// Fills a few bytes, at most 256, with random numbers.
/// @param purpose  What they are for: "a serial number".
/// @throws Error CKR_FUNCTION_FAILED when the kernel gives none.
void fill_random(ByteSpan out, const char* purpose);

/// 128 random bits in base64url: a name that nobody else takes, such as a jti.
[[nodiscard]] std::string random_id(const char* purpose);

/// As many random bytes in hexadecimal.
[[nodiscard]] std::string random_hex(std::size_t bytes, const char* purpose);

}  // namespace mayfly
