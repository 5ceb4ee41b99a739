// What all code that has libcrypto make or read X.509 needs.
#pragma once

#include <cstdint>
#include <string>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/libcrypto_owned.h"

namespace mayfly::x509 {

using Certificate = crypto::Owned<X509, X509_free>;
using Request = crypto::Owned<X509_REQ, X509_REQ_free>;
using EvpKey = crypto::Owned<EVP_PKEY, EVP_PKEY_free>;
using Bio = crypto::Owned<BIO, BIO_free>;

/// Leaves libcrypto's queue of errors as it was: it is the host's too.
class ErrorsKept {
 public:
  ErrorsKept() { ERR_set_mark(); }
  ~ErrorsKept() { ERR_pop_to_mark(); }
  ErrorsKept(const ErrorsKept&) = delete;
  ErrorsKept& operator=(const ErrorsKept&) = delete;
};

/// @throws Error CKR_HOST_MEMORY for null.
template <typename T>
T* required(T* object) {
  if (object == nullptr) throw Error(CKR_HOST_MEMORY, "no memory for a certificate");
  return object;
}

/// What an i2d_ function of libcrypto writes.
/// @throws Error CKR_HOST_MEMORY if it can't.
template <typename Write>
Bytes der_of(const Write& write) {
  unsigned char* der = nullptr;
  const int size = write(&der);
  if (size <= 0) throw Error(CKR_HOST_MEMORY, "no memory for a certificate");
  const Bytes result(der, der + size);
  OPENSSL_free(der);
  return result;
}

/// Reads a text; it must live as long as the reader.
[[nodiscard]] Bio reader_of(const std::string& text);

/// The next certificate of a PEM text; null at its end, or at what is none.
[[nodiscard]] Certificate read_certificate(BIO* bio);

/// A certificate's DER, of which nothing is left over; null for what is none.
[[nodiscard]] Certificate certificate_of_der(ByteView der);

}  // namespace mayfly::x509
