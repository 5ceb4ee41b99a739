// Evidence of a task's key.
#pragma once

#include <string>

#include "base/bytes.h"
#include "core/session_key.h"

namespace mayfly {

class Task;

/// @throws Error CKR_ARGUMENTS_BAD for a nonce that is too short or too long.
void check_nonce(ByteView nonce);

/// The device's evidence that it holds a key, bound to the task and to a verifier's nonce: the file
/// of docs/attestation.md. It is checked here as a verifier would, before it is given out.
/// @return at most attestation::kMaxEvidenceSize bytes.
/// @throws Error as check_nonce(), CKR_FUNCTION_NOT_SUPPORTED by a device that gives none,
///         CKR_KEY_HANDLE_INVALID for a key that is gone, CKR_DEVICE_ERROR for evidence that does
///         not hold, and what the device says.
[[nodiscard]] std::string attest(const Task& task, SessionKey& key, ByteView nonce);

}  // namespace mayfly
