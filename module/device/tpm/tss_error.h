// What a TPM, or tpm2-tss on the way to it, answers.
#pragma once

#include <string>
#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

#include "base/error.h"

namespace mayfly::tpm {

/// The words of tpm2-tss for a code, and the code itself.
[[nodiscard]] std::string decode(TSS2_RC rc);

/// A refusal by the TPM, or a fault on the way to it.
class TpmError : public Error {
 public:
  /// @param command  What was asked: "TPM2_Sign".
  TpmError(TSS2_RC rc, const std::string& command);

  [[nodiscard]] TSS2_RC code() const noexcept { return code_; }

  /// Whether the TPM itself said so, of whichever handle, session or parameter.
  /// @param reason  TPM2_RC_POLICY_FAIL, say.
  [[nodiscard]] bool is(TPM2_RC reason) const noexcept;

  /// Whether the TPM has no room for one more object in its memory.
  [[nodiscard]] bool objects_full() const noexcept;
  /// Whether the TPM has no room for one more session.
  [[nodiscard]] bool sessions_full() const noexcept;
  /// Whether a handle named nothing that is loaded.
  [[nodiscard]] bool names_nothing() const noexcept;

 private:
  TSS2_RC code_;
};

/// Whether the code comes from the TPM itself, directly or by way of a resource manager.
[[nodiscard]] bool is_from_tpm(TSS2_RC rc) noexcept;

/// The TPM's reason without the number of the handle, session or parameter that it speaks of.
[[nodiscard]] TPM2_RC reason_of(TSS2_RC rc) noexcept;

/// @throws TpmError unless rc is TSS2_RC_SUCCESS.
inline void check(TSS2_RC rc, const char* command) {
  if (rc != TSS2_RC_SUCCESS) throw TpmError(rc, command);
}

}  // namespace mayfly::tpm
