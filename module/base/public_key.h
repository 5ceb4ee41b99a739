// Public keys: their kinds, their PKCS#11 encodings, and verification in libcrypto.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <openssl/types.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/pkcs11.h"

namespace mayfly {

/// A kind of key pair: CKK_EC with 256, 384 or 521 bits (the NIST curves), CKK_EC_EDWARDS with 255
/// (Ed25519), CKK_RSA with the bits of its modulus.
struct KeySpec {
  CK_KEY_TYPE type = CKK_EC;
  unsigned bits = 256;

  friend bool operator==(const KeySpec&, const KeySpec&) = default;
};

/// The longest signature that any kind makes, in bytes: RSA with 4096 bits.
inline constexpr std::size_t kMaxSignatureSize = 512;
/// The longest message that is signed where a signature needs the whole of it (Ed25519), in bytes.
inline constexpr std::size_t kMaxSignedMessage = std::size_t{16} << 20;

/// "EC P-256", "Ed25519", "RSA 2048": for messages.
[[nodiscard]] std::string to_string(const KeySpec& spec);

/// The DER that CKA_EC_PARAMS holds for a curve (its OID, RFC 5480 and RFC 8410); empty for RSA.
[[nodiscard]] ByteView ec_params(const KeySpec& spec) noexcept;

/// The curve that a CKA_EC_PARAMS names: by OID, or by the PrintableString "edwards25519" that
/// PKCS#11 3.0, 2.3.10 allows. Nothing for any other DER.
[[nodiscard]] std::optional<KeySpec> spec_of_ec_params(ByteView der) noexcept;

/// What is inside the DER OCTET STRING of a CKA_EC_POINT; nothing if it is none or bytes are left
/// over. Some devices give the bare point: it comes back unchanged if its length fits `spec`.
[[nodiscard]] std::optional<Bytes> decode_ec_point(const KeySpec& spec, ByteView attribute);

/// A point as the DER OCTET STRING of CKA_EC_POINT (PKCS#11 3.0, 2.3.3).
[[nodiscard]] Bytes encode_ec_point(ByteView point);

/// An ECDSA signature r‖s as the DER of an Ecdsa-Sig-Value (RFC 3279, 2.2.3), which X.509 has.
[[nodiscard]] Bytes ecdsa_to_der(ByteView signature);

/// Ways to make a signature out of a key.
enum class Scheme { ecdsa, eddsa, rsa_pkcs1, rsa_pss };

/// A way of signing, in full.
struct SignatureScheme {
  Scheme scheme = Scheme::ecdsa;
  Hash hash = Hash::none;  ///< none: the caller gives what the raw mechanism signs; never for PSS
  Hash mgf_hash = Hash::none;  ///< rsa_pss only: the hash of MGF1
  std::size_t salt_size = 0;   ///< rsa_pss only: bytes of salt
};

/// A public key, checked when it is made. Cheap to copy; safe to use from several threads.
class PublicKey {
 public:
  /// @param point  The point without DER: 0x04‖X‖Y, or the 32 bytes of Ed25519.
  /// @throws Error CKR_ATTRIBUTE_VALUE_INVALID when it is no point of the curve.
  static PublicKey from_point(const KeySpec& spec, ByteView point);
  /// @param modulus, exponent  Big-endian, leading zeros allowed. Modulus of 2048 to 16384 bits.
  /// @throws Error CKR_ATTRIBUTE_VALUE_INVALID otherwise.
  static PublicKey from_rsa(ByteView modulus, ByteView exponent);

  /// @param der  A SubjectPublicKeyInfo as subject_public_key_info() writes it.
  /// @throws Error CKR_ATTRIBUTE_VALUE_INVALID for any other, so also for a compressed point.
  static PublicKey from_subject_public_key_info(ByteView der);

  [[nodiscard]] const KeySpec& spec() const noexcept { return spec_; }
  [[nodiscard]] ByteView point() const noexcept { return point_; }        ///< empty for RSA
  [[nodiscard]] ByteView modulus() const noexcept { return modulus_; }    ///< no leading zeros
  [[nodiscard]] ByteView exponent() const noexcept { return exponent_; }  ///< no leading zeros

  /// Bytes of each signature: fixed for all schemes that the key type has.
  [[nodiscard]] std::size_t signature_size() const noexcept;

  /// The DER of the SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).
  [[nodiscard]] Bytes subject_public_key_info() const;

  /// Whether `signature` is one of this key over `input` (what SignatureScheme::hash says: the
  /// digest, or what the raw mechanism signs). ECDSA signatures are r‖s.
  /// @throws Error CKR_KEY_TYPE_INCONSISTENT if the scheme is not one of the key type.
  [[nodiscard]] bool verify(const SignatureScheme& scheme, ByteView input,
                            ByteView signature) const;

 private:
  PublicKey();
  [[nodiscard]] EVP_PKEY* libcrypto_key() const;

  KeySpec spec_;
  Bytes point_;
  Bytes modulus_;
  Bytes exponent_;
  // libcrypto's form of the key is costly to make and needed for verification only.
  struct Libcrypto;
  std::shared_ptr<Libcrypto> libcrypto_;
};

}  // namespace mayfly
