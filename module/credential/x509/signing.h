// Signing certificates with a key that is elsewhere.
#pragma once

#include <openssl/x509.h>

#include "base/signer.h"

namespace mayfly::x509 {

/// The way in which a key of this kind signs certificates: ECDSA with the hash of the curve's size,
/// Ed25519, RSA with PKCS #1 v1.5 and SHA-256.
[[nodiscard]] SignatureScheme scheme_of(const KeySpec& spec) noexcept;

/// Names the key's way of signing in a certificate's algorithm field (RFC 5480, RFC 8410, RFC
/// 8017).
void set_algorithm(X509_ALGOR& field, const KeySpec& spec);

/// Has the DER of a to-be-signed part signed, and verifies what came: what a faulty device makes is
/// never given out.
/// @return the value of the signature field.
/// @throws Error CKR_DEVICE_ERROR for a signature that is none, and what Signer::sign() throws.
[[nodiscard]] Bytes signature_value(Signer& signer, ByteView to_be_signed);

/// The value as a BIT STRING of whole bytes.
void set_bits(ASN1_BIT_STRING& field, ByteView value);

}  // namespace mayfly::x509
