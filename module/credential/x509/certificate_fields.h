// What PKCS#11 tells of a certificate beside its value.
#pragma once

#include "base/bytes.h"

namespace mayfly::x509 {

/// CKA_SUBJECT, CKA_ISSUER and CKA_SERIAL_NUMBER (PKCS#11 3.0, 4.6.3), each DER.
struct CertificateFields {
  Bytes subject;
  Bytes issuer;
  Bytes serial;
};

/// @throws Error CKR_ARGUMENTS_BAD for what is no certificate.
[[nodiscard]] CertificateFields fields_of(ByteView certificate);

}  // namespace mayfly::x509
