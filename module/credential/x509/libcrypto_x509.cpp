#include "credential/x509/libcrypto_x509.h"

#include <openssl/pem.h>

#include "base/crypto_context.h"

namespace mayfly::x509 {

Bio reader_of(const std::string& text) {
  return Bio(required(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))));
}

Certificate read_certificate(BIO* bio) {
  X509* certificate = required(X509_new_ex(crypto::context(), nullptr));
  if (PEM_read_bio_X509(bio, &certificate, nullptr, nullptr) == nullptr) {
    X509_free(certificate);
    return nullptr;
  }
  return Certificate(certificate);
}

Certificate certificate_of_der(ByteView der) {
  X509* certificate = required(X509_new_ex(crypto::context(), nullptr));
  const unsigned char* at = der.data();
  // Of what was there before, a failure frees nothing, or all and sets it to null.
  const X509* const read = d2i_X509(&certificate, &at, static_cast<long>(der.size()));
  Certificate owned(certificate);
  if (read == nullptr) return nullptr;
  return at == der.data() + der.size() ? std::move(owned) : nullptr;
}

}  // namespace mayfly::x509
