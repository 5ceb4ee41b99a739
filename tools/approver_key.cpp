#include "tools/approver_key.h"

#include <cerrno>
#include <filesystem>
#include <unistd.h>

#include "credential/attestation/certificate_chain.h"
#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/long_term_key.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

constexpr std::size_t kMaxPublicKeyFile = 64 * 1024;

std::string module_of(const ApproverKeyOptions& options, const std::optional<Config>& config) {
  if (!options.module.empty()) return options.module;
  if (!config || config->device.module.empty()) {
    throw Failure(kUsage, "say which PKCS#11 library has the key: --module PATH");
  }
  set_device_environment(config->device.environment);
  return config->device.module.string();
}

LongTermKey long_term_key(const ApproverKeyOptions& options, const std::optional<Config>& config) {
  LongTermKey key{options.whose, options.key, "", std::nullopt};
  if (!key.is_on_token()) return key;
  if (!options.pin_source.empty()) {
    key.pin_source = PinSource::parse(options.pin_source, std::filesystem::current_path());
  }
  key.module = module_of(options, config);
  return key;
}

}  // namespace

void add_token_options(CLI::App& command, ApproverKeyOptions& options) {
  command
      .add_option("--module", options.module,
                  "The PKCS#11 library that has the key (default: device.module)")
      ->type_name("PATH");
  command
      .add_option("--pin-source", options.pin_source,
                  "Where the PIN of the key's token comes from: file:PATH, fd:NUMBER, "
                  "credential:NAME or command:PROGRAM")
      ->type_name("SOURCE");
}

std::optional<Config> find_configuration_if_any(const std::string& explicit_path) {
  if (!explicit_path.empty()) return load_configuration(explicit_path);
  try {
    if (access(Config::find("").c_str(), R_OK) != 0 && errno == EACCES) return std::nullopt;
  } catch (const Error&) {  // there is none
    return std::nullopt;
  }
  return load_configuration("");
}

std::unique_ptr<Signer> open_approver_key(const ApproverKeyOptions& options,
                                          const std::optional<Config>& config) {
  return open_long_term_key(long_term_key(options, config), config);
}

PublicKey read_approver_key(const ApproverKeyOptions& options,
                            const std::optional<Config>& config) {
  const LongTermKey key = long_term_key(options, config);
  if (key.is_on_token()) return open_on_token(key, config)->public_key();
  const std::string pem = read_whole_file(options.key, kMaxPublicKeyFile);
  try {
    return PublicKey::from_subject_public_key_info(attestation::public_key_info_from_pem(pem));
  } catch (const Error& error) {
    throw Failure(kUsage, options.key + ": " + error.what() +
                              "; `openssl pkey -in PRIVATE.pem -pubout` writes one");
  }
}

}  // namespace mayfly::tools
