// Certificates of tasks' keys.
#pragma once

#include <cstdint>
#include <string>

#include "base/signer.h"
#include "credential/x509/issuer_certificate.h"

namespace mayfly::x509 {

/// What a task's certificate says. Its identity is the URI spiffe_id() (X.509-SVID, 2); the subject
/// has the start of the task's ID and the serial of its token, for people.
struct TaskCertificate {
  std::string trust_domain;
  std::string task_id;
  std::string serial;  ///< the token's, 16 hexadecimal digits
  std::uint64_t not_before_unix_s = 0;
  std::uint64_t not_after_unix_s = 0;  ///< the last second in which it is valid
  bool server = false;                 ///< for TLS servers as well
};

/// Makes an end-entity certificate for digital signatures and TLS clients.
/// @return DER.
/// @throws Error CKR_ARGUMENTS_BAD for one that would never be valid, or be valid before or after
///         its issuer's, and as signature_value().
[[nodiscard]] Bytes make_task_certificate(const TaskCertificate& wanted, const PublicKey& key,
                                          const IssuerCertificate& issuer, Signer& issuer_key);

/// Makes a certification request (PKCS #10, RFC 2986) for the same names, signed by the task's own
/// key, for an issuer elsewhere.
/// @return DER.
[[nodiscard]] Bytes make_request(const std::string& trust_domain, const std::string& task_id,
                                 const std::string& serial, Signer& key);

}  // namespace mayfly::x509
