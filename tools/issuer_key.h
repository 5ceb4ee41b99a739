// The issuer of the configuration.
#pragma once

#include <memory>

#include "config/config.h"
#include "credential/x509/issuer_certificate.h"
#include "tools/long_term_key.h"

namespace mayfly::tools {

/// The issuer's key and its certificate.
struct Issuer {
  std::unique_ptr<Signer> key;
  x509::IssuerCertificate certificate;
};

/// Where the issuer's key is, and its environment set. To be called before any thread is started.
/// @throws Failure kBadConfiguration if the configuration has no issuer.
[[nodiscard]] LongTermKey configured_issuer_key(const Config& config);

/// The text of the issuer's certificate.
/// @throws Failure kNoInput when it is not there.
[[nodiscard]] std::string read_issuer_certificate(const Config& config);

/// Opens the key and reads the certificate, which must be the key's.
/// @throws Failure or Error that says what is wrong.
[[nodiscard]] Issuer open_issuer(const Config& config);

}  // namespace mayfly::tools
