// The kinds of key pairs that the suite makes.
#pragma once

#include <span>

#include "base/bytes.h"
#include "base/pkcs11.h"
#include "conformance/templates.h"

namespace mayfly::test {

/// One kind of key pair, and what is known of it from the standards alone.
struct KeyKind {
  const char* name;
  CK_MECHANISM_TYPE generator;
  CK_KEY_TYPE type;
  const char* ec_params;                ///< hexadecimal DER of the curve's OID; null for RSA
  CK_ULONG modulus_bits;                ///< 0 but for RSA
  std::size_t point_size;               ///< bytes of the point inside of CKA_EC_POINT; 0 for RSA
  std::size_t signature_size;           ///< bytes
  CK_MECHANISM_TYPE hashing_mechanism;  ///< a mechanism that takes data of any length, or of a
                                        ///< digest's, where the front door has none such

  [[nodiscard]] bool is_rsa() const noexcept { return type == CKK_RSA; }
  /// What C_GenerateKeyPair can't do without in the public template.
  [[nodiscard]] Template public_template() const;
  /// CKA_EC_PARAMS as bytes.
  [[nodiscard]] Bytes curve() const;
};

/// Bytes from hexadecimal digits.
[[nodiscard]] Bytes from_hex(const char* digits);

extern const KeyKind kP256;
extern const KeyKind kP384;
extern const KeyKind kP521;
extern const KeyKind kEd25519;
extern const KeyKind kRsa2048;
extern const KeyKind kRsa3072;
extern const KeyKind kRsa4096;

/// One of each that is made quickly, and RSA 2048.
[[nodiscard]] std::span<const KeyKind* const> all_kinds();
/// Kinds whose generation takes well under a millisecond.
[[nodiscard]] std::span<const KeyKind* const> quick_kinds();

}  // namespace mayfly::test
