#include "tools/nonce.h"

#include "base/device_evidence.h"
#include "tools/failure.h"

namespace mayfly::tools {

Bytes parse_nonce(const std::string& digits) {
  const auto value = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    throw Failure(kUsage, "--nonce wants hexadecimal digits, such as `openssl rand -hex 16` gives");
  };
  if (digits.size() % 2 != 0 || digits.size() < 2 * attestation::kMinNonceSize ||
      digits.size() > 2 * attestation::kMaxNonceSize) {
    throw Failure(kUsage, "--nonce wants 8 to 64 bytes as hexadecimal digits");
  }
  Bytes nonce;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    nonce.push_back(static_cast<std::uint8_t>(value(digits[i]) << 4 | value(digits[i + 1])));
  }
  return nonce;
}

}  // namespace mayfly::tools
