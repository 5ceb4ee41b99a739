#include "integration/device/independent_verification.h"

#include <memory>

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

namespace mayfly::test {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)>;

const EVP_MD* md_of(Hash hash) {
  switch (hash) {
    case Hash::sha224:
      return EVP_sha224();
    case Hash::sha384:
      return EVP_sha384();
    case Hash::sha512:
      return EVP_sha512();
    case Hash::none:
    case Hash::sha256:
      break;
  }
  return EVP_sha256();
}

Bytes der_of(ByteView signature) {
  const std::size_t half = signature.size() / 2;
  const EcdsaSignature parts(ECDSA_SIG_new(), ECDSA_SIG_free);
  ECDSA_SIG_set0(parts.get(), BN_bin2bn(signature.data(), static_cast<int>(half), nullptr),
                 BN_bin2bn(signature.data() + half, static_cast<int>(half), nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(parts.get(), &der);
  Bytes result(der, der + size);
  OPENSSL_free(der);
  return result;
}

}  // namespace

bool verifies_independently(ByteView subject_public_key_info, const SignatureScheme& scheme,
                            ByteView message, ByteView signature) {
  const unsigned char* der = subject_public_key_info.data();
  const Key key(d2i_PUBKEY(nullptr, &der, static_cast<long>(subject_public_key_info.size())),
                EVP_PKEY_free);
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const EVP_MD* md = scheme.scheme == Scheme::eddsa ? nullptr : md_of(scheme.hash);
  EVP_PKEY_CTX* parameters = nullptr;
  if (key == nullptr ||
      EVP_DigestVerifyInit(context.get(), &parameters, md, nullptr, key.get()) != 1) {
    return false;
  }
  if (scheme.scheme == Scheme::rsa_pss &&
      (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, md_of(scheme.mgf_hash)) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, static_cast<int>(scheme.salt_size)) != 1)) {
    return false;
  }
  const Bytes encoded = scheme.scheme == Scheme::ecdsa ? der_of(signature) : to_bytes(signature);
  return EVP_DigestVerify(context.get(), encoded.data(), encoded.size(), message.data(),
                          message.size()) == 1;
}

}  // namespace mayfly::test
