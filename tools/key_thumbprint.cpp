#include "tools/key_thumbprint.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/crypto_context.h"
#include "base/libcrypto_owned.h"
#include "base/task_binding.h"
#include "tools/failure.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

using OwnedBio = crypto::Owned<BIO, BIO_free>;
using OwnedKey = crypto::Owned<EVP_PKEY, EVP_PKEY_free>;
using OwnedCertificate = crypto::Owned<X509, X509_free>;

constexpr std::size_t kMostOfAKeyFile = 64 * 1024;

OwnedBio memory(const std::string& text) {
  return OwnedBio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

OwnedKey read_key(const std::string& pem) {
  OwnedKey key(PEM_read_bio_PUBKEY_ex(memory(pem).get(), nullptr, nullptr, nullptr,
                                      crypto::context(), nullptr));
  if (key != nullptr) return key;
  const OwnedCertificate certificate(
      PEM_read_bio_X509(memory(pem).get(), nullptr, nullptr, nullptr));
  return OwnedKey(certificate == nullptr ? nullptr : X509_get_pubkey(certificate.get()));
}

}  // namespace

Bytes key_thumbprint(const std::string& text) {
  if (is_hex(text, 2 * kBindingDigestSize)) return parse_hex(text).value();
  const std::string content = read_whole_file(text, kMostOfAKeyFile);
  const OwnedKey key = read_key(content);
  unsigned char* der = nullptr;
  const int size = key == nullptr ? 0 : i2d_PUBKEY(key.get(), &der);
  ERR_clear_error();
  if (size <= 0) {
    throw Failure(kUsage, text + " holds no public key and no certificate in PEM");
  }
  const Bytes info(der, der + size);
  OPENSSL_free(der);
  try {
    return thumbprint(PublicKey::from_subject_public_key_info(info));
  } catch (const Error& error) {
    throw Failure(kUsage, text + ": " + error.what());
  }
}

}  // namespace mayfly::tools
