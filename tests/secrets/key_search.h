// Private keys in memory that nobody was told of: found by what makes them private keys.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/bytes.h"

namespace mayfly::test {

/// Finds the private keys of P-256 public keys: tries each 32 bytes of writable memory, in both
/// byte orders, for a number d with d*G = Q. Passes over 32 bytes that are surely not random: few
/// different values, or an 8-byte number below 2^48, which costs a key in 16,000.
///
/// @param points  The public keys, uncompressed (65 bytes).
/// @return the points whose private keys are there; nothing if the kernel refuses to show that
///         memory.
[[nodiscard]] std::optional<std::set<Bytes>> private_keys_in(pid_t process,
                                                             const std::vector<Bytes>& points);

}  // namespace mayfly::test
