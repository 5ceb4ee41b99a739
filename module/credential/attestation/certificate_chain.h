// From an attestation key's certificate to a root.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/public_key.h"

namespace mayfly::attestation {

/// Checks that the first certificate is one of `key`, is meant for attestation keys (extended key
/// usage 2.23.133.8.3, tcg-kp-AIKCertificate: else whoever has any certificate below the root could
/// sign statements that no TPM made), and leads to a root over the others, all valid at a time.
/// @param roots  PEM, one or more certificates.
/// @throws Refused "chain"; Error CKR_ARGUMENTS_BAD when `roots` holds no certificate.
void check_certificate_chain(const std::vector<std::string>& certificates, const PublicKey& key,
                             const std::string& roots, std::uint64_t at_unix_s);

/// The SubjectPublicKeyInfo of a PEM certificate, as DER.
/// @throws Refused "chain" for what is none.
[[nodiscard]] Bytes certified_key(const std::string& certificate);

/// The SubjectPublicKeyInfo in a PEM "PUBLIC KEY", as DER.
/// @throws Error CKR_ARGUMENTS_BAD for what is none.
[[nodiscard]] Bytes public_key_info_from_pem(const std::string& pem);

/// A SubjectPublicKeyInfo as PEM.
[[nodiscard]] std::string public_key_pem(ByteView key_info);

/// A certificate's DER as PEM.
/// @throws Refused "chain" for what is none.
[[nodiscard]] std::string certificate_pem(ByteView der);

}  // namespace mayfly::attestation
