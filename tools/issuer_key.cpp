#include "tools/issuer_key.h"

#include <filesystem>

#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/issuer_setup.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

constexpr std::size_t kMaxCertificateFile = 64 * 1024;

}  // namespace

LongTermKey configured_issuer_key(const Config& config) {
  const IssuerConfig& issuer = config.issuer;
  if (issuer.trust_domain.empty()) {
    throw Failure(kBadConfiguration, config.file.string() +
                                         " has no issuer; fill in [issuer], as "
                                         "docs/certificates.md shows it, and run: mayfly issuer "
                                         "init");
  }
  LongTermKey key{"issuer.token", "", "", std::nullopt};
  if (issuer.token.empty()) {
    key.name = issuer.key_file.string();
    return key;
  }
  set_device_environment(config.device.environment);
  set_device_environment(issuer.environment);
  key.name = key_uri(issuer.token, issuer.key);
  key.module = (issuer.module.empty() ? config.device.module : issuer.module).string();
  key.pin_source = issuer.pin_source;
  return key;
}

std::string read_issuer_certificate(const Config& config) {
  std::error_code unreachable;
  if (!std::filesystem::exists(config.issuer.certificate, unreachable)) {
    throw Failure(kNoInput,
                  config.issuer.certificate.string() + " is not there; run: mayfly issuer init");
  }
  return read_whole_file(config.issuer.certificate.string(), kMaxCertificateFile);
}

Issuer open_issuer(const Config& config) {
  const LongTermKey where = configured_issuer_key(config);
  const std::string pem = read_issuer_certificate(config);
  Issuer issuer{open_long_term_key(where, config), {}};
  try {
    issuer.certificate = x509::IssuerCertificate::parse(pem, issuer.key->public_key());
  } catch (const Error& error) {
    throw Failure(kBadConfiguration, config.issuer.certificate.string() + ": " + error.what());
  }
  return issuer;
}

}  // namespace mayfly::tools
