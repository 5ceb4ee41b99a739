// Evidence that a task's key lives in a TPM: what the file holds. docs/attestation.md describes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/device_evidence.h"

namespace mayfly::attestation {

/// A device's evidence, and the task and the nonce that it was made for.
struct Evidence : DeviceEvidence {
  std::string task_id;
  std::string serial;
  std::uint64_t deadline_unix_s = 0;
  Bytes policy_digest;  ///< as in TaskBinding: 32 bytes
  Bytes nonce;          ///< the verifier's, 8 to 64 bytes
};

[[nodiscard]] std::string to_json(const Evidence& evidence);

/// Takes a file apart. Each member must be there, with the right type; a member that is not known,
/// or is there twice, is refused: a reader must not overlook what a newer writer meant.
/// @throws Refused "format".
[[nodiscard]] Evidence evidence_from_json(std::string_view json);

}  // namespace mayfly::attestation
