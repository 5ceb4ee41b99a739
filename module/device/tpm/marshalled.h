// Structures of a TPM as the bytes that it computes with.
#pragma once

#include <cstdint>
#include <tss2/tss2_mu.h>

#include "base/bytes.h"
#include "device/tpm/tss_error.h"

namespace mayfly::tpm {

/// A structure, marshalled by tss2-mu's function for it.
/// @param name  The function's, for messages.
template <typename Structure>
[[nodiscard]] Bytes marshalled(const Structure& structure,
                               TSS2_RC (*marshal)(const Structure*, std::uint8_t[], std::size_t,
                                                  std::size_t*),
                               const char* name) {
  Bytes bytes(sizeof structure);
  std::size_t size = 0;
  check(marshal(&structure, bytes.data(), bytes.size(), &size), name);
  bytes.resize(size);
  return bytes;
}

}  // namespace mayfly::tpm
