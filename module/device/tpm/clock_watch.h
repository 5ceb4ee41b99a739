// Whether the TPM's time keeps up with the machine's.
#pragma once

#include <optional>
#include <tss2/tss2_tpm2_types.h>

#include "base/clock.h"

namespace mayfly::tpm {

/// ClockWatch compares the TPM's time with the machine's, over one connection. Deadlines in the
/// chip are by its time: they come late where it runs slow, be it that the TPM is a bad one or that
/// somebody slows it down by TPM2_ClockRateAdjust.
class ClockWatch {
 public:
  /// Logs a warning, once, when the TPM has fallen behind.
  /// @param read_at  The machine's clock, right after the TPM's was read.
  /// @return by how many parts of a hundred the TPM's time runs slower, if that can be told.
  std::optional<int> look(const TPMS_TIME_INFO& now, BootClock::time_point read_at);

 private:
  struct Reading {
    std::uint64_t tpm_ms;
    std::uint64_t restarts;
    BootClock::time_point read_at;
  };

  std::optional<Reading> first_;
  bool warned_ = false;
};

}  // namespace mayfly::tpm
