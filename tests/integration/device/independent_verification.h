// Checking signatures without mayfly: straight libcrypto, from the encoded public key on.
#pragma once

#include "base/public_key.h"

namespace mayfly::test {

/// Whether `signature` (r‖s for ECDSA) is one over `message`, by the key in the
/// SubjectPublicKeyInfo. With Hash::none, ECDSA and RSA are taken to have signed the message's
/// SHA-256.
bool verifies_independently(ByteView subject_public_key_info, const SignatureScheme& scheme,
                            ByteView message, ByteView signature);

}  // namespace mayfly::test
