// Filling in the structures of SAPI.
#pragma once

#include <algorithm>
#include <tss2/tss2_sys.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// Puts bytes into one of the TPM2B structures. For secrets: no copy is left anywhere.
/// @throws Error CKR_DATA_LEN_RANGE when they do not fit.
template <typename Buffer>
void assign(Buffer& buffer, ByteView bytes) {
  if (bytes.size() > sizeof buffer.buffer) {
    throw Error(CKR_DATA_LEN_RANGE, "the TPM does not take that many bytes");
  }
  buffer.size = static_cast<UINT16>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), buffer.buffer);
}

/// One of the TPM2B structures that holds `bytes`.
/// @throws Error as assign().
template <typename Buffer>
[[nodiscard]] Buffer sized(ByteView bytes) {
  Buffer buffer{};
  assign(buffer, bytes);
  return buffer;
}

template <typename Buffer>
[[nodiscard]] ByteView view(const Buffer& buffer) noexcept {
  return {buffer.buffer, buffer.size};
}

[[nodiscard]] inline ByteView view(const TPM2B_NAME& name) noexcept {
  return {name.name, name.size};
}

/// The authorisation area of a command with one or two authorisations, wiped when it goes.
class CommandAuthorisation {
 public:
  explicit CommandAuthorisation(const Authorisation& authorisation) { add(authorisation); }
  CommandAuthorisation(const Authorisation& first, const Authorisation& second) {
    add(first);
    add(second);
  }
  ~CommandAuthorisation() {
    for (std::size_t i = 0; i < command_.count; ++i) {
      zeroise({command_.auths[i].hmac.buffer, command_.auths[i].hmac.size});
    }
  }
  CommandAuthorisation(const CommandAuthorisation&) = delete;
  CommandAuthorisation& operator=(const CommandAuthorisation&) = delete;

  [[nodiscard]] const TSS2L_SYS_AUTH_COMMAND* command() const noexcept { return &command_; }
  [[nodiscard]] TSS2L_SYS_AUTH_RESPONSE* response() noexcept { return &response_; }

 private:
  void add(const Authorisation& authorisation) {
    TPMS_AUTH_COMMAND& auth = command_.auths[command_.count++];
    auth.sessionHandle = authorisation.session;
    auth.sessionAttributes = TPMA_SESSION_CONTINUESESSION;
    assign(auth.hmac, authorisation.secret);
  }

  TSS2L_SYS_AUTH_COMMAND command_{};
  TSS2L_SYS_AUTH_RESPONSE response_{};
};

}  // namespace mayfly::tpm
