// The first bytes of a TPM's answer (TPM 2.0 Part 1, 18.3: tag, size, response code).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace mayfly::tpm {

inline constexpr std::size_t kAnswerHeader = 10;

[[nodiscard]] inline std::uint32_t big_endian_32(ByteView bytes) noexcept {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | std::uint32_t{bytes[3]};
}

/// How long the whole answer says that it is.
[[nodiscard]] inline std::size_t answer_size(ByteView header) noexcept {
  return big_endian_32(header.subspan(2));
}

[[nodiscard]] inline std::uint32_t response_code(ByteView header) noexcept {
  return big_endian_32(header.subspan(6));
}

}  // namespace mayfly::tpm
