#include "base/pem_signer.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/crypto_context.h"
#include "base/libcrypto_owned.h"

namespace mayfly {
namespace {

using PrivateEvpKey = crypto::Owned<EVP_PKEY, EVP_PKEY_free>;
using SigningContext = crypto::Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using EcdsaParts = crypto::Owned<ECDSA_SIG, ECDSA_SIG_free>;
using PemReader = crypto::Owned<BIO, BIO_free>;

/// libcrypto would ask at the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

PublicKey public_half(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) throw crypto::failure(CKR_ARGUMENTS_BAD, "reading the public half of a key");
  const Bytes info(der, der + size);
  OPENSSL_free(der);
  return PublicKey::from_subject_public_key_info(info);
}

/// r‖s, each of `half` bytes, out of the DER that libcrypto writes.
Bytes ecdsa_from_der(const Bytes& der, std::size_t half) {
  const unsigned char* at = der.data();
  const EcdsaParts parts(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  Bytes signature(2 * half);
  const int size = static_cast<int>(half);
  if (parts == nullptr ||
      BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), signature.data(), size) != size ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), signature.data() + half, size) != size) {
    throw crypto::failure(CKR_FUNCTION_FAILED, "reading a signature");
  }
  return signature;
}

class PemSigner : public Signer {
 public:
  explicit PemSigner(PrivateEvpKey key)
      : key_(std::move(key)), public_key_(public_half(key_.get())) {}

  [[nodiscard]] const PublicKey& public_key() const noexcept override { return public_key_; }

  [[nodiscard]] Bytes sign(const SignatureScheme& scheme, ByteView message) override {
    const SigningContext context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;
    const char* const hash = scheme.hash == Hash::none ? nullptr : libcrypto_name(scheme.hash);
    if (context == nullptr ||
        EVP_DigestSignInit_ex(context.get(), &parameters, hash, crypto::context(), nullptr,
                              key_.get(), nullptr) != 1) {
      throw crypto::failure(CKR_FUNCTION_FAILED, "starting a signature");
    }
    // MGF1 takes the same hash unless told otherwise.
    if (scheme.scheme == Scheme::rsa_pss &&
        (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, static_cast<int>(scheme.salt_size)) != 1)) {
      throw crypto::failure(CKR_FUNCTION_FAILED, "setting RSA parameters");
    }
    Bytes signature(kMaxSignatureSize);
    std::size_t size = signature.size();
    if (EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) !=
        1) {
      throw crypto::failure(CKR_FUNCTION_FAILED, "signing");
    }
    signature.resize(size);
    if (scheme.scheme != Scheme::ecdsa) return signature;
    return ecdsa_from_der(signature, public_key_.signature_size() / 2);
  }

 private:
  PrivateEvpKey key_;
  PublicKey public_key_;
};

}  // namespace

std::unique_ptr<Signer> signer_of_pem(ByteView pem) {
  const PemReader bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (bio == nullptr) throw Error(CKR_HOST_MEMORY, "no memory for a key");
  ERR_set_mark();
  PrivateEvpKey key(PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, no_passphrase, nullptr,
                                               crypto::context(), nullptr));
  ERR_pop_to_mark();
  if (key == nullptr) {
    throw Error(CKR_ARGUMENTS_BAD,
                "it holds no PEM private key that can be read without a passphrase");
  }
  return std::make_unique<PemSigner>(std::move(key));
}

}  // namespace mayfly
