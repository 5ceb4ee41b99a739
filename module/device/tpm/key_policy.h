// What must hold for the TPM to use a key.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/device_evidence.h"
#include "device/tpm/kill_counters.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// By how much the TPM's deadline is later than the task's, so that mayfly is the one that refuses
/// first, and says why, though the two clocks do not run alike.
inline constexpr std::chrono::milliseconds kDeadlineMargin{1'000};

/// KeyPolicy models the policy of one key: conditions that the TPM itself checks, and in the end
/// that the user knows the key's authorisation value.
class KeyPolicy {
 public:
  /// Demands that the TPM's `time` is below a limit, and that it was neither reset nor resumed
  /// since. `time` alone would not do, since it begins anew with each resume, and `clock` would
  /// not, since TPM2_Clear sets it back.
  /// @param now      What the TPM's clock said,
  /// @param read_at  and the machine's, at the same time or later.
  void require_deadline(const TPMS_TIME_INFO& now, BootClock::time_point read_at,
                        BootClock::time_point deadline);

  /// Demands that a counter stands at its value.
  void require_counter(const KillCounter& counter) { counter_ = counter; }

  [[nodiscard]] const std::optional<KillCounter>& counter() const noexcept { return counter_; }

  /// What goes into the key's public area.
  [[nodiscard]] Bytes digest() const;

  /// The deadline, for those who compute the digest again; nothing if none is demanded.
  [[nodiscard]] std::optional<attestation::HardwareDeadline> deadline_claim() const noexcept;

  /// How the authorisation value is given with the command that follows.
  enum class Value { sent, proven };

  /// Runs the policy in a session, which can then sign once.
  /// @throws Error CKR_DEVICE_REMOVED when the TPM says that a condition does not hold, TpmError.
  void satisfy(Tpm& tpm, TPMI_SH_POLICY session, Value value = Value::sent) const;

 private:
  using Number = std::array<std::uint8_t, 8>;  // big-endian

  struct Deadline {
    Number time_limit;
    Number restarts;  // resetCount ‖ restartCount
  };

  std::optional<KillCounter> counter_;
  std::optional<Deadline> deadline_;
};

}  // namespace mayfly::tpm
