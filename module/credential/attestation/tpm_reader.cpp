#include "credential/attestation/tpm_reader.h"

#include "credential/attestation/refused.h"

namespace mayfly::attestation {

ByteView TpmReader::take(std::size_t size) {
  if (size > rest_.size()) refuse("ends too early");
  const ByteView taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

std::uint64_t TpmReader::number(std::size_t width) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : take(width)) value = value << 8 | byte;
  return value;
}

void TpmReader::finish() const {
  if (!rest_.empty()) refuse("has bytes left over at its end");
}

void TpmReader::refuse(const std::string& reason) const {
  throw Refused("structure", what_ + " " + reason);
}

}  // namespace mayfly::attestation
