// The certificate of an issuer: what those trust who trust tasks' certificates.
#pragma once

#include <cstdint>
#include <string>

#include "base/signer.h"

namespace mayfly::x509 {

/// Makes the issuer's self-signed certificate, a CA's that leads to no further CA, with the URI
/// spiffe://TRUST-DOMAIN (X.509-SVID, 4).
/// @return DER.
/// @throws Error CKR_ARGUMENTS_BAD for what is no trust domain, and as signature_value().
[[nodiscard]] Bytes make_issuer_certificate(const std::string& trust_domain, Signer& issuer,
                                            std::uint64_t not_before_unix_s,
                                            std::uint64_t not_after_unix_s);

/// What is needed of an issuer's certificate to sign below it.
struct IssuerCertificate {
  Bytes der;
  Bytes key_id;  ///< its subject key identifier
  std::uint64_t not_before_unix_s = 0;
  std::uint64_t not_after_unix_s = 0;  ///< the last second that it is valid in

  /// Reads one, also one that somebody else's CA has signed.
  /// @throws Error CKR_ARGUMENTS_BAD for what is no CA's certificate that may sign certificates, or
  ///         is of another key.
  static IssuerCertificate parse(const std::string& pem, const PublicKey& key);
};

}  // namespace mayfly::x509
