// PEM (RFC 7468).
#pragma once

#include <string>

#include "base/bytes.h"

namespace mayfly::x509 {

/// @param label  "CERTIFICATE", "CERTIFICATE REQUEST", "PUBLIC KEY".
[[nodiscard]] std::string to_pem(const char* label, ByteView der);

/// The DER of the one certificate that a PEM text holds.
/// @throws Error CKR_ARGUMENTS_BAD when it holds none, or more than one.
[[nodiscard]] Bytes certificate_of_pem(const std::string& pem);

}  // namespace mayfly::x509
