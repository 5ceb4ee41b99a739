#include "tools/nonce.h"

#include <algorithm>

#include "base/device_evidence.h"
#include "tools/failure.h"

namespace mayfly::tools {

Bytes parse_nonce(std::string digits) {
  if (digits.size() % 2 != 0 || digits.size() < 2 * attestation::kMinNonceSize ||
      digits.size() > 2 * attestation::kMaxNonceSize) {
    throw Failure(kUsage, "--nonce wants 8 to 64 bytes as hexadecimal digits");
  }
  std::ranges::transform(digits, digits.begin(), [](char c) {
    return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const auto nonce = parse_hex(digits);
  if (nonce) return *nonce;
  throw Failure(kUsage, "--nonce wants hexadecimal digits, such as `openssl rand -hex 16` gives");
}

}  // namespace mayfly::tools
