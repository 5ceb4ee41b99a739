// `mayfly issuer`: the key that signs what others accept of tasks.
#include <iostream>
#include <memory>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/task_binding.h"
#include "credential/jose/jwk_set.h"
#include "credential/spiffe_id.h"
#include "credential/ssh/certificate.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/duration_option.h"
#include "tools/failure.h"
#include "tools/issuer_key.h"
#include "tools/issuer_setup.h"
#include "tools/new_files.h"
#include "tools/utc_text.h"

namespace mayfly::tools {
namespace {

namespace fs = std::filesystem;

struct IssuerOptions {
  std::string config;
  std::string kind = "EC P-256";
  std::string valid_for;
  bool certificate = false;
  bool ssh = false;
  bool jwks = false;
  bool json = false;
};

void check_names(const Config& config) {
  try {
    credential::check_trust_domain(config.issuer.trust_domain);
  } catch (const Error& error) {
    throw Failure(kBadConfiguration,
                  config.file.string() + ": issuer.trust-domain: " + error.what());
  }
}

/// Makes the key where it is to be.
/// @return whether there was none.
bool make_key(const Config& config, const LongTermKey& where, const KeySpec& spec) {
  if (where.is_on_token()) {
    SecretBuffer pin = where.pin_source->read();
    return make_issuer_key(where.module, config.issuer.token, pin, config.issuer.key, spec, config);
  }
  std::error_code unreachable;
  if (fs::exists(where.name, unreachable)) return false;
  write_new_file(where.name, make_private_pem(spec).view());
  return true;
}

void print(const Config& config, const Issuer& issuer, bool json) {
  const PublicKey& key = issuer.key->public_key();
  const std::string key_place = config.issuer.token.empty()
                                    ? config.issuer.key_file.string()
                                    : key_uri(config.issuer.token, config.issuer.key);
  if (json) {
    std::cout << nlohmann::json{{"trust_domain", config.issuer.trust_domain},
                                {"key", key_place},
                                {"kind", to_string(key.spec())},
                                {"thumbprint", to_hex(thumbprint(key))},
                                {"certificate", config.issuer.certificate.string()},
                                {"not_after", issuer.certificate.not_after_unix_s}}
                     .dump(2)
              << '\n';
    return;
  }
  std::cout << "Trust domain  " << config.issuer.trust_domain << '\n'
            << "Key           " << to_string(key.spec()) << ", "
            << (config.issuer.token.empty()
                    ? config.issuer.key_file.string()
                    : "\"" + config.issuer.key + "\" on " + config.issuer.token)
            << '\n'
            << "Thumbprint    " << to_hex(thumbprint(key)) << '\n'
            << "Certificate   " << config.issuer.certificate.string() << ", until "
            << utc_text(issuer.certificate.not_after_unix_s) << '\n';
}

int run_init(const IssuerOptions& options) {
  const auto spec = find_key_spec(options.kind);
  if (!spec) throw Failure(kUsage, "--kind is no kind of key that mayfly knows");
  const std::chrono::seconds life =
      options.valid_for.empty() ? kIssuerLife : duration_option("--valid-for", options.valid_for);
  const Config config = load_configuration(options.config);
  const LongTermKey where = configured_issuer_key(config);
  check_names(config);
  std::error_code unreachable;
  if (fs::exists(config.issuer.certificate, unreachable)) {
    throw Failure(kAlreadyExists, config.issuer.certificate.string() +
                                      " is there already; `mayfly issuer show` tells of it");
  }
  const bool made = make_key(config, where, *spec);
  Issuer issuer{open_long_term_key(where, config), {}};
  const std::string pem = self_signed_pem(config.issuer.trust_domain, *issuer.key, life);
  write_new_file(config.issuer.certificate, as_bytes(pem));
  issuer.certificate = x509::IssuerCertificate::parse(pem, issuer.key->public_key());
  if (!options.json) std::cout << (made ? "Made a key.\n" : "Took the key that was there.\n");
  print(config, issuer, options.json);
  return kOk;
}

int run_show(const IssuerOptions& options) {
  const Config config = load_configuration(options.config);
  if (options.certificate) {
    static_cast<void>(configured_issuer_key(config));
    std::cout << read_issuer_certificate(config);
    return kOk;
  }
  const Issuer issuer = open_issuer(config);
  if (options.jwks) {
    std::cout << credential::key_set_json({credential::published(issuer.key->public_key())});
    return kOk;
  }
  if (options.ssh) {
    std::cout << ssh::public_key_line(issuer.key->public_key()) << ' ' << config.issuer.trust_domain
              << '\n';
    return kOk;
  }
  print(config, issuer, options.json);
  return kOk;
}

}  // namespace

void add_issuer(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("issuer", "The key that signs tasks' credentials");
  command->require_subcommand(1);

  const auto options = std::make_shared<IssuerOptions>();
  CLI::App* init = command->add_subcommand("init", "Make the issuer's key and its certificate");
  init->footer(
      "[issuer] in the configuration says where: on a token of an HSM that is initialised "
      "already,\n"
      "or in a file. A key that is there already is taken; nothing is ever overwritten.");
  init->add_option("--kind", options->kind,
                   "The kind of key: EC P-256, EC P-384, Ed25519, RSA 3072, …")
      ->type_name("KIND")
      ->capture_default_str();
  init->add_option("--valid-for", options->valid_for,
                   "How long its certificate is valid (default: 1825d)")
      ->type_name("TIME");
  init->add_flag("--json", options->json, "Print the result as JSON");
  add_config_option(*init, options->config);
  init->callback([options, &status] { status = run_init(*options); });

  CLI::App* show = command->add_subcommand("show", "Tell of the issuer, for those who trust it");
  CLI::Option* pem = show->add_flag("--certificate", options->certificate,
                                    "Print the certificate (PEM): what TLS servers trust");
  CLI::Option* ssh = show->add_flag("--ssh", options->ssh,
                                    "Print the public key as OpenSSH has it: for TrustedUserCAKeys")
                         ->excludes(pem);
  CLI::Option* jwks = show->add_flag("--jwks", options->jwks,
                                     "Print the public key as a JWK Set: for verifiers of tokens")
                          ->excludes(pem)
                          ->excludes(ssh);
  show->add_flag("--json", options->json, "Print it as JSON")
      ->excludes(pem)
      ->excludes(ssh)
      ->excludes(jwks);
  add_config_option(*show, options->config);
  show->callback([options, &status] { status = run_show(*options); });
}

}  // namespace mayfly::tools
