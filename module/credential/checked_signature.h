// Signatures that are looked at before they are given out.
#pragma once

#include "base/signer.h"

namespace mayfly::credential {

/// Has a message signed and verifies what came: what a faulty device makes is never given out.
/// @return r‖s for ECDSA.
/// @throws Error CKR_DEVICE_ERROR for a signature that is none, and what Signer::sign() throws.
[[nodiscard]] Bytes checked_signature(Signer& signer, const SignatureScheme& scheme,
                                      ByteView message);

}  // namespace mayfly::credential
