#include "device/tpm/session_crypto.h"

#include <tss2/tss2_mu.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/crypto_context.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/libcrypto_owned.h"
#include "base/public_key.h"
#include "device/tpm/public_area.h"
#include "device/tpm/sapi.h"

namespace mayfly::tpm {
namespace {

// The label of salts, with the zero that TPM 2.0 counts as a part of it.
constexpr std::string_view kSecret{"SECRET\0", 7};
constexpr std::size_t kCfbKey = 16;
constexpr std::uint8_t kOne[] = {0, 0, 0, 1};   // the number of the only block
constexpr std::uint8_t kBits[] = {0, 0, 1, 0};  // 256
constexpr std::uint8_t kZero[] = {0};

using crypto::Owned;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

void require(bool done, const char* what) {
  if (!done) throw crypto::failure(CKR_FUNCTION_FAILED, what);
}

Key libcrypto_key(const PublicKey& key) {
  const Bytes der = key.subject_public_key_info();
  const std::uint8_t* begin = der.data();
  return Key(
      d2i_PUBKEY_ex(nullptr, &begin, static_cast<long>(der.size()), crypto::context(), nullptr));
}

KeyContext context_of(EVP_PKEY* key) {
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(crypto::context(), key, nullptr));
  require(context != nullptr, "a context for the TPM's key");
  return context;
}

/// ECDH with a key pair that is made for it, then KDFe for one block.
SealedSalt seal_to_ecc(const PublicKey& key) {
  const Key theirs = libcrypto_key(key);
  const Key ours(EVP_PKEY_Q_keygen(crypto::context(), nullptr, "EC", "P-256"));
  require(theirs != nullptr && ours != nullptr, "a key pair for a salt");
  const KeyContext context = context_of(ours.get());
  SecretBuffer shared(kSessionDigest);
  std::size_t size = shared.size();
  require(EVP_PKEY_derive_init(context.get()) > 0 &&
              EVP_PKEY_derive_set_peer(context.get(), theirs.get()) > 0 &&
              EVP_PKEY_derive(context.get(), shared.span().data(), &size) > 0 &&
              size == shared.size(),
          "the secret of a salt");
  std::array<std::uint8_t, 1 + 2 * kSessionDigest> point{};
  require(EVP_PKEY_get_octet_string_param(ours.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                          point.size(), &size) > 0 &&
              size == point.size(),
          "the point of a salt");
  const ByteView x = ByteView(point).subspan(1, kSessionDigest);
  const ByteView y = ByteView(point).subspan(1 + kSessionDigest);

  Hasher hasher(Hash::sha256);
  for (const ByteView part : {ByteView(kOne), shared.view(), as_bytes(kSecret), x,
                              key.point().subspan(1, kSessionDigest)}) {
    hasher.update(part);
  }
  Bytes derived = hasher.finish();
  SealedSalt salt{SecretBuffer(derived)};
  zeroise(derived);
  const TPMS_ECC_POINT ephemeral{sized<TPM2B_ECC_PARAMETER>(x), sized<TPM2B_ECC_PARAMETER>(y)};
  check(Tss2_MU_TPMS_ECC_POINT_Marshal(&ephemeral, salt.sealed.secret, sizeof salt.sealed.secret,
                                       &(size = 0)),
        "Tss2_MU_TPMS_ECC_POINT_Marshal");
  salt.sealed.size = static_cast<UINT16>(size);
  return salt;
}

}  // namespace

SessionDigest session_hmac(ByteView key, std::initializer_list<ByteView> parts) {
  Bytes message;
  for (const ByteView part : parts) message.insert(message.end(), part.begin(), part.end());
  SessionDigest result{};
  std::size_t size = 0;
  require(EVP_Q_mac(crypto::context(), "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(),
                    message.data(), message.size(), result.data(), result.size(), &size) != nullptr,
          "an HMAC");
  return result;
}

void kdfa(ByteSpan out, ByteView key, std::string_view label, ByteView party_u, ByteView party_v) {
  SessionDigest block = session_hmac(key, {kOne, as_bytes(label), kZero, party_u, party_v, kBits});
  std::ranges::copy(block, out.begin());
  zeroise(block);
}

Bytes encrypt_cfb(ByteView key_and_vector, ByteView plain) {
  const Owned<EVP_CIPHER, EVP_CIPHER_free> cipher(
      EVP_CIPHER_fetch(crypto::context(), "AES-128-CFB", nullptr));
  const Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> context(EVP_CIPHER_CTX_new());
  Bytes result(plain.size());
  int size = 0;
  require(cipher != nullptr && context != nullptr &&
              EVP_EncryptInit_ex2(context.get(), cipher.get(), key_and_vector.data(),
                                  key_and_vector.subspan(kCfbKey).data(), nullptr) > 0 &&
              EVP_EncryptUpdate(context.get(), result.data(), &size, plain.data(),
                                static_cast<int>(plain.size())) > 0,
          "the encryption of a parameter");
  return result;
}

SealedSalt seal_salt(const TPMT_PUBLIC& key) {
  if (key.nameAlg == TPM2_ALG_SHA256 && key.type == TPM2_ALG_ECC &&
      key.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256) {
    return seal_to_ecc(public_key_of({CKK_EC, 256}, key));
  }
  throw Error(CKR_FUNCTION_FAILED, "a session can't be salted to a TPM's key of this kind");
}

}  // namespace mayfly::tpm
