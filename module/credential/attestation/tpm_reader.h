// Bytes as a TPM writes them: big-endian numbers, and pieces that say their length.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace mayfly::attestation {

/// TpmReader takes one structure apart, from its first byte to its last. It never reads beyond the
/// end, and finish() makes sure that nothing is left over.
class TpmReader {
 public:
  /// @param bytes  Must live as long as the reader and the pieces that it hands out.
  /// @param what   What they are, for messages: "the key's public area".
  TpmReader(ByteView bytes, std::string what) : rest_(bytes), what_(std::move(what)) {}

  // Each of these throws Refused("structure", …) when too few bytes are left.

  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }
  /// A TPM2B: two bytes of length, then so many bytes.
  ByteView sized() { return take(u16()); }

  /// @throws Refused "structure" if bytes are left over.
  void finish() const;
  /// Throws Refused("structure", …) about these bytes.
  [[noreturn]] void refuse(const std::string& reason) const;

 private:
  ByteView take(std::size_t size);
  std::uint64_t number(std::size_t width);

  ByteView rest_;
  std::string what_;
};

}  // namespace mayfly::attestation
