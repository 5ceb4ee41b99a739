#include "credential/x509/pem.h"

#include <openssl/pem.h>

#include "base/crypto_context.h"
#include "credential/x509/libcrypto_x509.h"

namespace mayfly::x509 {

std::string to_pem(const char* label, ByteView der) {
  const Bio bio(required(BIO_new(BIO_s_mem())));
  if (PEM_write_bio(bio.get(), label, "", der.data(), static_cast<long>(der.size())) <= 0) {
    throw crypto::failure(CKR_HOST_MEMORY, "writing PEM");
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

Bytes certificate_of_pem(const std::string& pem) {
  const ErrorsKept kept;
  const Bio bio = reader_of(pem);
  const Certificate certificate = read_certificate(bio.get());
  if (certificate == nullptr || read_certificate(bio.get()) != nullptr) {
    throw Error(CKR_ARGUMENTS_BAD, "it is not one PEM certificate");
  }
  return der_of([&](unsigned char** der) { return i2d_X509(certificate.get(), der); });
}

}  // namespace mayfly::x509
