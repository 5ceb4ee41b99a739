// Signatures judged by OpenSSL alone, from the public attributes that any client can read.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/pkcs11.h"

namespace mayfly::test {

struct FreeKey {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
using EvpKey = std::unique_ptr<EVP_PKEY, FreeKey>;

/// A public key built from the values of CKA_EC_PARAMS and CKA_EC_POINT; null if they are none.
[[nodiscard]] EvpKey ec_public_key(CK_KEY_TYPE type, const Bytes& params, const Bytes& point);
/// A public key built from the values of CKA_MODULUS and CKA_PUBLIC_EXPONENT; null if they are
/// none.
[[nodiscard]] EvpKey rsa_public_key(const Bytes& modulus, const Bytes& exponent);
/// The key's SubjectPublicKeyInfo, as OpenSSL writes it.
[[nodiscard]] Bytes public_key_info(EVP_PKEY* key);

/// How a signature was made.
struct SignatureForm {
  enum class Scheme { ecdsa, eddsa, rsa_pkcs1, rsa_pss };

  Scheme scheme = Scheme::ecdsa;
  const char* hash = nullptr;  ///< OpenSSL's name; null: the input is what the raw mechanism signs
  const char* pss_hash = nullptr;  ///< rsa_pss: of the digest and of the mask
  int salt_size = 0;               ///< rsa_pss: bytes
};

/// Whether OpenSSL accepts a PKCS#11 signature (r‖s for ECDSA) of the key over the input.
[[nodiscard]] bool is_signature(EVP_PKEY* key, const SignatureForm& form, const Bytes& input,
                                const Bytes& signature);

/// A digest by OpenSSL.
[[nodiscard]] Bytes openssl_digest(const char* hash, const Bytes& data);
/// The DER of a DigestInfo (RFC 8017, 9.2) with SHA-256: what CKM_RSA_PKCS is usually given.
[[nodiscard]] Bytes digest_info_sha256(const Bytes& data);

}  // namespace mayfly::test
