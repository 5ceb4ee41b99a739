#include "device/tpm/clock_watch.h"

#include <algorithm>
#include <string>

#include "base/log.h"

namespace mayfly::tpm {
namespace {

// Before, the time that one answer takes weighs too much.
constexpr std::chrono::seconds kLeast{30};
// TPM makers promise less; TPM2_ClockRateAdjust goes up to 16.
constexpr int kMostPercent = 5;

}  // namespace

std::optional<int> ClockWatch::look(const TPMS_TIME_INFO& now, BootClock::time_point read_at) {
  const Reading reading{now.time,
                        std::uint64_t{now.clockInfo.resetCount} << 32 | now.clockInfo.restartCount,
                        read_at};
  // A TPM that was started anew counts from 0.
  if (!first_ || first_->restarts != reading.restarts || reading.tpm_ms < first_->tpm_ms) {
    first_ = reading;
    return std::nullopt;
  }
  const auto passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(read_at - first_->read_at);
  if (passed < kLeast) return std::nullopt;
  const auto machine_ms = static_cast<std::uint64_t>(passed.count());
  const std::uint64_t tpm_ms = std::min(reading.tpm_ms - first_->tpm_ms, machine_ms);
  const int percent = static_cast<int>((machine_ms - tpm_ms) * 100 / machine_ms);
  if (percent >= kMostPercent && !warned_) {
    warned_ = true;
    log::warn("the TPM's time runs " + std::to_string(percent) +
              " % slower than the machine's, and its deadlines of keys come so much late; if "
              "nobody is known to have slowed it (TPM2_ClockRateAdjust), give its owner an "
              "authorisation value");
  }
  return percent;
}

}  // namespace mayfly::tpm
