// How long a proof holds.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/error.h"

namespace mayfly::credential {

/// The longest that a proof holds: a verifier that does not look at status believes it for as long
/// after the task's end.
inline constexpr std::chrono::seconds kMaxProofLife{60};

/// When a proof is made, and what bounds it. Seconds since 1970, UTC.
struct ProofTime {
  std::uint64_t now_unix_s = 0;
  std::uint64_t deadline_unix_s = 0;          ///< the task's
  std::chrono::seconds life = kMaxProofLife;  ///< what is asked for; more than kMaxProofLife is cut

  /// When the proof ends: never past the deadline.
  /// @throws Error CKR_ARGUMENTS_BAD when that is not after now.
  [[nodiscard]] std::uint64_t end() const {
    const auto most = static_cast<std::uint64_t>(
        std::clamp(life, std::chrono::seconds(0), kMaxProofLife).count());
    const std::uint64_t end = std::min(now_unix_s + most, deadline_unix_s);
    if (end <= now_unix_s) {
      throw Error(CKR_ARGUMENTS_BAD, "no proof is made: it would have ended, or its task has");
    }
    return end;
  }
};

}  // namespace mayfly::credential
