// Proof that a key lives now, before a credential is issued for it.
#pragma once

#include <string>

#include "base/signer.h"

namespace mayfly::credential {

/// What the key signs: the 20 bytes "mayfly-credential-v1", a zero byte, 32 random bytes, and
/// thumbprint() of the key. No protocol that a task speaks (TLS, SSH, JOSE, X.509) has messages
/// that begin so: neither can a signature of one stand for such a proof, nor a proof for one of
/// them.
[[nodiscard]] Bytes possession_challenge(ByteView nonce, const PublicKey& key);

/// Has a key sign a fresh challenge and verifies it with the public key that the credential will
/// name.
/// @param scheme  One that the key may use.
/// @throws Error CKR_SIGNATURE_INVALID if the key is another, and what Signer::sign() throws.
void prove_possession(Signer& key, const SignatureScheme& scheme);

}  // namespace mayfly::credential
