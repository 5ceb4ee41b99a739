// What a key's authPolicy promises, computed again without a TPM.
#pragma once

#include "base/bytes.h"
#include "base/device_evidence.h"
#include "base/hash.h"

namespace mayfly::attestation {

/// The authPolicy that a key with these claims has: TPM2_PolicyNV(counter == value) where there is
/// a kill switch; TPM2_PolicyCounterTimer(time < T) and TPM2_PolicyCounterTimer(resetCount ‖
/// restartCount == …) where there is a deadline; TPM2_PolicyPassword; in this order. Empty when
/// nothing is claimed.
/// @param hash  The key's nameAlg, by which its policy is computed.
/// @throws Refused "kill switch" for an index that is no counter.
[[nodiscard]] Bytes policy_digest(const PolicyClaim& claim, Hash hash);

}  // namespace mayfly::attestation
