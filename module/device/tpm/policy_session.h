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
  /// @param shared   Whether other processes' sessions take the same places: no resource manager is
  ///                 there. Then the session is kept only while a place is left for others.
  /// @param records  Where it is written down who has it; null to write nothing down.
  PolicySession(Tpm& tpm, bool shared, SessionRecords* records)
      : tpm_(tpm), shared_(shared), records_(records) {}
  PolicySession(const PolicySession&) = delete;
  PolicySession& operator=(const PolicySession&) = delete;

  /// Runs a policy and the command that uses it.
  void use(const std::function<void(TPMI_SH_POLICY)>& policy_and_command);

  /// Flushes it if there is one.
  void flush();

 private:
  void start();
  void keep();

  Tpm& tpm_;
  const bool shared_;
  SessionRecords* records_;
  Bytes record_;
  bool kept_ = false;
  TPMI_SH_POLICY handle_ = 0;
};

}  // namespace mayfly::tpm
