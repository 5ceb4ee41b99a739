// The session in which keys' policies are run.
#pragma once

#include <functional>

#include "device/tpm/session_records.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// PolicySession is one session of the TPM that is used again and again. It is satisfied between a
/// policy and the command that uses it, never longer: when anything fails in between, it is
/// flushed.
///
/// Not safe to use from several threads.
class PolicySession {
 public:
  /// @param records  Where it is written down who has it; null where a resource manager sees to it.
  PolicySession(Tpm& tpm, SessionRecords* records) : tpm_(tpm), records_(records) {}
  PolicySession(const PolicySession&) = delete;
  PolicySession& operator=(const PolicySession&) = delete;

  /// Runs a policy and the command that uses it.
  void use(const std::function<void(TPMI_SH_POLICY)>& policy_and_command);

  /// Flushes it if there is one.
  void flush();

 private:
  void start();

  Tpm& tpm_;
  SessionRecords* records_;
  Bytes record_;
  TPMI_SH_POLICY handle_ = 0;
};

}  // namespace mayfly::tpm
