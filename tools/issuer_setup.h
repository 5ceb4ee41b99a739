// Making an issuer's key and certificate.
#pragma once

#include <chrono>
#include <string>

#include "base/secret.h"
#include "base/signer.h"
#include "config/config.h"
#include "tools/hsm_signer.h"

namespace mayfly::tools {

/// How long an issuer's certificate is valid unless something else is asked for: five years.
inline constexpr std::chrono::seconds kIssuerLife = std::chrono::hours(5 * 365 * 24);

/// Makes a key pair on a token, unless it has one of that label: private, sensitive, not
/// extractable, for signing and nothing else.
/// @param token   A PKCS#11 URI of the token.
/// @param config  Whose device's token it must not be.
/// @throws Failure kUsage for the device's token; Error what the token answered; CKR_DEVICE_ERROR
/// if it says that the key may leave it.
/// @return whether one was made.
bool make_issuer_key(const std::string& module, const std::string& token, SecretBuffer& pin,
                     const std::string& label, const KeySpec& spec, const Config& config);

/// A PKCS#11 URI of the key pair of that label on the token.
[[nodiscard]] std::string key_uri(const std::string& token, const std::string& label);

/// A new private key as PEM (PKCS #8), for a machine without an HSM.
[[nodiscard]] SecretBuffer make_private_pem(const KeySpec& spec);

/// The issuer's self-signed certificate as PEM, valid from now on.
[[nodiscard]] std::string self_signed_pem(const std::string& trust_domain, Signer& issuer,
                                          std::chrono::seconds life);

}  // namespace mayfly::tools
