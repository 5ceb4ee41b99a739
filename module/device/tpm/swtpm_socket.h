// The way to swtpm on a Unix socket.
#pragma once

#include <string>

#include "device/tpm/transport.h"

namespace mayfly::tpm {

/// SwtpmSocket speaks to swtpm as the TCTI of tpm2-tss does, a connection for each command, since
/// swtpm serves one connection at a time. Unlike that, it keeps to its time: libtss2-tcti-swtpm
/// waits for an answer for ever, whatever it is told.
class SwtpmSocket final : public Transport {
 public:
  /// @throws Error CKR_TOKEN_NOT_PRESENT when nobody listens there.
  explicit SwtpmSocket(std::string path);
  ~SwtpmSocket() override;

  TSS2_RC transmit(ByteView command, Deadline deadline) noexcept override;
  TSS2_RC receive(std::uint8_t* answer, std::size_t& size, Deadline deadline) noexcept override;

 private:
  [[nodiscard]] bool connect() noexcept;
  void disconnect() noexcept;
  TSS2_RC wait(short events, Deadline deadline) const noexcept;
  TSS2_RC read_exactly(ByteSpan out, Deadline deadline) noexcept;

  std::string path_;
  int socket_ = -1;
};

}  // namespace mayfly::tpm
