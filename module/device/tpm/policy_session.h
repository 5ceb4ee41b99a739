// The session in which keys' policies are run.
#pragma once

#include <functional>

#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// PolicySession is one session of the TPM that is used again and again. It is satisfied between a
/// policy and the command that uses it, never longer: when anything fails in between, it is
/// flushed.
///
/// Not safe to use from several threads.
class PolicySession {
 public:
  explicit PolicySession(Tpm& tpm) : tpm_(tpm) {}
  PolicySession(const PolicySession&) = delete;
  PolicySession& operator=(const PolicySession&) = delete;

  /// Runs a policy and the command that uses it.
  void use(const std::function<void(TPMI_SH_POLICY)>& policy_and_command);

  /// Flushes it if there is one.
  void flush();

  /// The handle; 0 if there is none.
  [[nodiscard]] TPMI_SH_POLICY handle() const noexcept { return handle_; }

 private:
  Tpm& tpm_;
  TPMI_SH_POLICY handle_ = 0;
};

}  // namespace mayfly::tpm
