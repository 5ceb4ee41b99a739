// How command and answer bytes travel to a TPM and back.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <tss2/tss2_tcti.h>

#include "base/bytes.h"

namespace mayfly::tpm {

/// A way to a TPM. One command at a time; not safe to use from several threads.
class Transport {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  virtual ~Transport() = default;
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  virtual TSS2_RC transmit(ByteView command, Deadline deadline) noexcept = 0;

  /// Waits for the answer until the deadline.
  /// @param size  In: room in `answer`; out: its bytes.
  /// @return TSS2_TCTI_RC_TRY_AGAIN when the deadline has come.
  virtual TSS2_RC receive(std::uint8_t* answer, std::size_t& size, Deadline deadline) noexcept = 0;
};

/// Opens what a TCTI string of tpm2-tss names ("device:/dev/tpmrm0", "swtpm:path=…").
/// @throws Error CKR_TOKEN_NOT_PRESENT when that fails.
[[nodiscard]] std::unique_ptr<Transport> open_transport(const std::string& tcti);

}  // namespace mayfly::tpm
