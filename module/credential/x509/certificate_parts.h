// The parts that certificates are made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <openssl/x509.h>

#include "base/public_key.h"
#include "base/signer.h"
#include "credential/x509/libcrypto_x509.h"

namespace mayfly::x509 {

/// A subject: the common name, cut at 64 bytes as RFC 5280 bounds it, and a serial number that is
/// left out when empty.
void set_subject(X509_NAME& name, const std::string& common_name, const std::string& serial);

/// A key in libcrypto's form, in mayfly's own context.
[[nodiscard]] EvpKey evp_key(const PublicKey& key);

/// An empty certificate, version 3, with a random serial number of 158 bits, the key, and the
/// moments that it is valid between, both included.
[[nodiscard]] Certificate new_certificate(const PublicKey& key, std::uint64_t not_before_unix_s,
                                          std::uint64_t not_after_unix_s);

/// Key usages by their bits in RFC 5280, 4.2.1.3.
enum KeyUsage : int { kDigitalSignature = 0, kKeyCertSign = 5, kCrlSign = 6 };
void add_key_usage(X509& certificate, const std::vector<KeyUsage>& usages);

/// Basic constraints (RFC 5280, 4.2.1.9), critical. A CA's leads to no further CA.
void add_basic_constraints(X509& certificate, bool ca);

/// @param usages  NID_client_auth and its like.
void add_extended_key_usage(X509& certificate, const std::vector<int>& usages);

/// The one subject alternative name, a URI.
void add_uri(X509& certificate, const std::string& uri);

/// The subject key identifier: thumbprint() of the key (RFC 7093, 2, method 4).
void add_subject_key_id(X509& certificate, const PublicKey& key);
/// The authority key identifier: the issuer's subject key identifier.
void add_authority_key_id(X509& certificate, ByteView key_id);

/// Has the certificate signed.
/// @return its DER.
/// @throws Error as signature_value().
[[nodiscard]] Bytes sign_certificate(X509& certificate, Signer& issuer);

}  // namespace mayfly::x509
