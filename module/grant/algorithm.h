// The four ways in which grants are signed (RFC 7518, RFC 8037). There are no others.
#pragma once

#include <optional>

#include "base/jws_algorithm.h"

namespace mayfly::grant {

using Algorithm = JwsAlgorithm;

inline constexpr Algorithm kAlgorithms[] = {Algorithm::es256, Algorithm::es384, Algorithm::eddsa,
                                            Algorithm::ps256};

/// The one algorithm that a key of this kind signs grants with; nothing for P-521, and for RSA keys
/// of less than 2048 or more than 4096 bits.
[[nodiscard]] std::optional<Algorithm> algorithm_of(const KeySpec& spec) noexcept;

}  // namespace mayfly::grant
