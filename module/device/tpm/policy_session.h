// The session in which keys' policies are run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "device/tpm/salted_session.h"
#include "device/tpm/session_records.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// A session that was open when the connection to the TPM was lost.
struct LeftSession {
  TPMI_SH_POLICY handle = 0;
  std::uint64_t restarts = 0;  ///< of the TPM, when it was begun
  Bytes record;                ///< empty: none
};

/// Flushes such a session, over another connection, unless the TPM was restarted since.
/// @param records  Must not be null if it has a record.
void flush(Tpm& tpm, const LeftSession& left, SessionRecords* records);

/// What makes a session one that sends no secrets.
struct SessionProtection {
  TPM2_SE type = TPM2_SE_POLICY;        ///< TPM2_SE_HMAC where no policy is run in it
  std::function<SaltKey()> load_key{};  ///< called when a session begins
};

/// PolicySession is one session of the TPM that is used again and again. It is satisfied between a
/// policy and the command that uses it, never longer: when anything fails in between, it is
/// flushed.
///
/// Not safe to use from several threads.
class PolicySession {
 public:
  /// @param shared   Whether other processes' sessions take the same places: no resource manager is
  ///                 there. Then the session is kept only while a place is left for others.
  /// @param records  Where it is written down who has it; null to write nothing down. A session
  ///                 that start() begins is not, since that may take long: it is for one use only.
  /// @param protection  Makes it a session that sends no secrets; nothing for one that does.
  PolicySession(Tpm& tpm, bool shared, SessionRecords* records,
                std::optional<SessionProtection> protection)
      : tpm_(tpm), shared_(shared), records_(records), protection_(std::move(protection)) {}
  PolicySession(const PolicySession&) = delete;
  PolicySession& operator=(const PolicySession&) = delete;

  /// Begins the session unless it is open.
  /// @throws TpmError sessions_full() while others have all places: those who find no room to stay
  ///         hold one for one signature only.
  void start();

  /// Runs a policy and the command that uses it.
  void use(const std::function<void(TPMI_SH_POLICY)>& policy_and_command);

  /// What the session is when it sends no secrets; null when it does, and before its first use.
  [[nodiscard]] SaltedSession* salted() noexcept { return salted_ ? &*salted_ : nullptr; }

  /// Whether it was not used for so long.
  [[nodiscard]] bool is_idle(std::chrono::milliseconds idle) const noexcept {
    return handle_ != 0 && std::chrono::steady_clock::now() - used_ >= idle;
  }

  // Its record. Writing may take long, so it is done by others, without the lock of the TPM.

  /// Begins a session that stays for the next use, where there is none and room for one. It is to
  /// be recorded: then set_record(), or forgo() if that failed.
  /// @return what to record; nothing if there is nothing to.
  [[nodiscard]] std::optional<LeftSession> begin_to_keep();
  /// Whether there was none since when one was needed.
  [[nodiscard]] bool is_missed() const noexcept { return missed_; }
  /// False if that session is not there any more.
  [[nodiscard]] bool set_record(TPMI_SH_POLICY session, Bytes& record) noexcept;
  /// Flushes that session.
  void forgo(TPMI_SH_POLICY session);
  /// Has the next use be the last one, and gives away the record.
  [[nodiscard]] Bytes take_record() noexcept;

  /// Flushes it if there is one, also where its record can't be struck out. Over a lost connection
  /// it does nothing.
  void flush();

  /// Gives up the session that a lost connection left in the TPM, if there is one.
  [[nodiscard]] std::optional<LeftSession> leave() noexcept;

 private:
  void begin();
  void keep();

  Tpm& tpm_;
  const bool shared_;
  SessionRecords* records_;
  const std::optional<SessionProtection> protection_;
  std::optional<SaltedSession> salted_;
  Bytes record_;
  std::uint64_t restarts_ = 0;
  std::chrono::steady_clock::time_point used_{};
  bool kept_ = false;
  bool missed_ = false;
  TPMI_SH_POLICY handle_ = 0;
};

}  // namespace mayfly::tpm
