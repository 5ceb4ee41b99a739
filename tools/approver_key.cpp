#include "tools/approver_key.h"

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <unistd.h>

#include "base/bounded_read.h"
#include "base/guarded_file.h"
#include "base/pem_signer.h"
#include "credential/attestation/certificate_chain.h"
#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/hsm_signer.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxPublicKeyFile = 64 * 1024;

bool names_token(const ApproverKeyOptions& options) { return options.key.starts_with("pkcs11:"); }

SecretBuffer read_secret_file(const std::string& path) {
  SecretBuffer content(SecretBuffer::kMaxSize);
  const Descriptor file = open_guarded(path, Exposure::secret);
  try {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    content.truncate(read_to_end(file.number(), content.span(), deadline));
  } catch (const std::system_error& error) {
    throw Failure(kNoInput, path + ": can't be read: " + error.code().message());
  }
  if (content.size() == SecretBuffer::kMaxSize) {
    throw Failure(kUsage, path + " is longer than any private key; name the key's own file");
  }
  return content;
}

std::string module_of(const ApproverKeyOptions& options, const std::optional<Config>& config) {
  if (!options.module.empty()) return options.module;
  if (!config || config->device.module.empty()) {
    throw Failure(kUsage, "say which PKCS#11 library has the key: --module PATH");
  }
  set_device_environment(config->device.environment);
  return config->device.module.string();
}

bool is_same_file(const fs::path& a, const fs::path& b) {
  std::error_code not_there;
  return a == b || fs::equivalent(a, b, not_there);
}

/// Whether the key lies on the token that the broker makes tasks' keys in.
void check_apart(const HsmSigner& signer, const std::optional<Config>& config) {
  if (!config || config->device.type != DeviceType::pkcs11 ||
      !is_same_file(signer.module().path(), config->device.module)) {
    return;
  }
  CK_SLOT_ID device_slot = 0;
  try {
    device_slot = pkcs11::find_token(signer.module(), config->device.token).slot;
  } catch (const Error&) {
    return;  // not there now: then the key, which is there, is elsewhere
  }
  if (device_slot != signer.slot()) return;
  throw Failure(kUsage,
                "the approver's key is on " + config->device.token +
                    ", where the broker itself could sign with it; keep approvers' keys on a token "
                    "whose PIN the broker does not have");
}

std::unique_ptr<HsmSigner> open_hsm_key(const ApproverKeyOptions& options,
                                        const std::optional<Config>& config) {
  std::optional<SecretBuffer> pin;
  if (!options.pin_source.empty()) {
    pin = PinSource::parse(options.pin_source, fs::current_path()).read();
  }
  auto signer =
      std::make_unique<HsmSigner>(module_of(options, config), options.key, std::move(pin));
  check_apart(*signer, config);
  return signer;
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
  if (names_token(options)) {
    if (options.pin_source.empty()) {
      throw Failure(kUsage, "say where the PIN of the key's token comes from: --pin-source SOURCE");
    }
    return open_hsm_key(options, config);
  }
  try {
    return signer_of_pem(read_secret_file(options.key).view());
  } catch (const Error& error) {
    throw Failure(kNoInput, error.rv() == CKR_GENERAL_ERROR ? error.what()
                                                            : options.key + ": " + error.what());
  }
}

PublicKey read_approver_key(const ApproverKeyOptions& options,
                            const std::optional<Config>& config) {
  if (names_token(options)) return open_hsm_key(options, config)->public_key();
  const std::string pem = read_whole_file(options.key, kMaxPublicKeyFile);
  try {
    return PublicKey::from_subject_public_key_info(attestation::public_key_info_from_pem(pem));
  } catch (const Error& error) {
    throw Failure(kUsage, options.key + ": " + error.what() +
                              "; `openssl pkey -in PRIVATE.pem -pubout` writes one");
  }
}

}  // namespace mayfly::tools
