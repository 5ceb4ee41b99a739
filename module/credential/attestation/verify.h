// Is this key in a TPM, and does it end with its task? Answered without a TPM.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/public_key.h"
#include "credential/attestation/attestation_key.h"
#include "credential/attestation/evidence.h"

namespace mayfly::attestation {

/// What the verifier knows and wants.
struct Expectations {
  Bytes nonce;                        ///< the one that the verifier gave out
  std::uint64_t received_unix_s = 0;  ///< when the evidence came: seconds since 1970
  std::string task_id;                ///< empty: any
  bool software_deadline = false;     ///< accept keys whose deadline the chip does not enforce
  bool kill_switch = false;           ///< accept only keys with a kill switch in the chip
};

/// How much later than the task's deadline the chip may let a key go on: for the way that evidence
/// takes, and for clocks that differ.
inline constexpr std::uint64_t kDeadlineTolerance_s = 120;

/// What the evidence proves.
struct Verified {
  PublicKey key;
  std::string task_id;
  std::string serial;
  std::uint64_t deadline_unix_s = 0;
  /// When the chip refuses the key at the latest; nothing if the chip enforces no deadline.
  std::optional<std::uint64_t> chip_deadline_unix_s;
  bool kill_switch = false;
  std::uint64_t firmware_version = 0;
  Bytes attestation_key_thumbprint;
};

/// Checks everything, in the order of docs/attestation.md.
/// @throws Refused the first check that fails.
[[nodiscard]] Verified verify(const Evidence& evidence, const Expectations& expected,
                              const Trust& trust);

}  // namespace mayfly::attestation
