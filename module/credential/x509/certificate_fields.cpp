#include "credential/x509/certificate_fields.h"

#include "credential/x509/libcrypto_x509.h"

namespace mayfly::x509 {

CertificateFields fields_of(ByteView certificate) {
  const ErrorsKept kept;
  const Certificate parsed = certificate_of_der(certificate);
  if (parsed == nullptr) throw Error(CKR_ARGUMENTS_BAD, "it is no certificate");
  X509* const x509 = parsed.get();
  return {
      der_of([&](unsigned char** der) { return i2d_X509_NAME(X509_get_subject_name(x509), der); }),
      der_of([&](unsigned char** der) { return i2d_X509_NAME(X509_get_issuer_name(x509), der); }),
      der_of([&](unsigned char** der) {
        return i2d_ASN1_INTEGER(X509_get0_serialNumber(x509), der);
      })};
}

}  // namespace mayfly::x509
