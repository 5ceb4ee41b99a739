// What a device gives as evidence of a key: the structures of a TPM, as it made them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace mayfly::attestation {

/// The most bytes that a file of evidence has.
inline constexpr std::size_t kMaxEvidenceSize = 256 * 1024;
/// The least and the most bytes of a nonce.
inline constexpr std::size_t kMinNonceSize = 8;
inline constexpr std::size_t kMaxNonceSize = 64;

/// The chip's own deadline for a key.
struct HardwareDeadline {
  std::uint64_t time_limit_ms = 0;  ///< T of TPM2_PolicyCounterTimer(time < T)
  std::uint32_t resets = 0;         ///< what resetCount must be
  std::uint32_t restarts = 0;       ///< what restartCount must be
};

/// A counter that ends a key when it counts.
struct KillSwitch {
  Bytes index_public;       ///< TPMS_NV_PUBLIC
  std::uint64_t value = 0;  ///< what the counter must be
};

/// What a key's policy is said to be made of. Without a deadline the chip enforces none.
struct PolicyClaim {
  std::optional<HardwareDeadline> deadline;
  std::optional<KillSwitch> kill_switch;
};

/// Something that an attestation key signed.
struct Statement {
  Bytes info;       ///< TPMS_ATTEST
  Bytes signature;  ///< TPMT_SIGNATURE
};

/// A key, and what its TPM says of it.
struct DeviceEvidence {
  Bytes key_public;     ///< TPMT_PUBLIC of the key
  Bytes parent_public;  ///< TPMT_PUBLIC of its parent, a primary of the null hierarchy
  PolicyClaim policy;

  Statement certification;        ///< TPM2_Certify over the key
  std::optional<Statement> time;  ///< TPM2_GetTime: with a hardware deadline

  Bytes attestation_key_public;           ///< TPMT_PUBLIC of the attestation key
  std::vector<std::string> certificates;  ///< PEM: the attestation key's own first; may be empty
};

}  // namespace mayfly::attestation
