#include "credential/checked_signature.h"

#include "base/error.h"

namespace mayfly::credential {

Bytes checked_signature(Signer& signer, const SignatureScheme& scheme, ByteView message) {
  Bytes signature = signer.sign(scheme, message);
  const Bytes input = scheme.hash == Hash::none ? to_bytes(message) : digest(scheme.hash, message);
  if (!signer.public_key().verify(scheme, input, signature)) {
    throw Error(CKR_DEVICE_ERROR, "what the key's holder gave is no signature of the key");
  }
  return signature;
}

}  // namespace mayfly::credential
