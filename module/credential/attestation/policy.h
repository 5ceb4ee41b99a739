// What a key's authPolicy promises, computed again without a TPM.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "credential/attestation/tpm_structures.h"

namespace mayfly::attestation {

/// The chip's own deadline.
struct HardwareDeadline {
  std::uint64_t time_limit_ms = 0;  ///< T of PolicyCounterTimer(time < T)
  std::uint32_t resets = 0;         ///< what resetCount must be
  std::uint32_t restarts = 0;       ///< what restartCount must be
};

/// A counter that ends the key when it counts.
struct KillSwitch {
  Bytes index_public;       ///< TPMS_NV_PUBLIC
  std::uint64_t value = 0;  ///< what the counter must be
};

/// What a key's policy is said to be made of. Without a deadline the chip enforces none.
struct PolicyClaim {
  std::optional<HardwareDeadline> deadline;
  std::optional<KillSwitch> kill_switch;
};

/// The authPolicy that a key with these claims has: TPM2_PolicyCounterTimer(time < T),
/// TPM2_PolicyCounterTimer(resetCount ‖ restartCount == …), TPM2_PolicyNV(counter == value) where
/// there is a kill switch, TPM2_PolicyPassword, in this order. Empty when nothing is claimed.
/// @param hash  The key's nameAlg, by which its policy is computed.
/// @throws Refused "kill switch" without a deadline, or for an index that is no counter.
[[nodiscard]] Bytes policy_digest(const PolicyClaim& claim, Hash hash);

}  // namespace mayfly::attestation
