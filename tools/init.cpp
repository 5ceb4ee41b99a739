// `mayfly init`: a configuration that works.
#include <iostream>
#include <memory>
#include <optional>
#include <signal.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/guarded_file.h"
#include "base/pem_signer.h"
#include "base/utf8.h"
#include "compose/library.h"
#include "credential/spiffe_id.h"
#include "device/pkcs11/token_search.h"
#include "tools/commands.h"
#include "tools/config_text.h"
#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/issuer_setup.h"
#include "tools/new_files.h"
#include "tools/random_pin.h"
#include "tools/softhsm.h"
#include "tools/test_key.h"
#include "tools/token_session.h"
#include "tools/tpm_enrolment.h"

namespace mayfly::tools {
namespace {

namespace fs = std::filesystem;

constexpr char kLabel[] = "mayfly";
constexpr char kIssuerLabel[] = "issuer";
constexpr KeySpec kIssuerKind = {CKK_EC, 256};

struct InitOptions {
  std::string folder;
  std::string device = "softhsm";
  std::string tcti;
  std::string module;
  std::string token;
  std::string pin_source;
  std::vector<std::string> environment;
  std::string approvers;
  std::string audience;
  std::string issuer;  // its trust domain; empty for none
  bool json = false;
};

/// Keeps signals that would end the process waiting until nothing half-made is left behind.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, &before_);
  }
  ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_;
};

fs::path target_folder(const InitOptions& options) {
  fs::path folder = options.folder.empty() ? Config::user_folder() : fs::path(options.folder);
  if (folder.empty()) {
    throw Failure(kCannotWrite, "this user has no home folder; say where with --folder");
  }
  folder = fs::absolute(folder).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  // SoftHSM2's file knows no quotes, and takes # for a comment.
  if (!is_printable_utf8(folder.native()) || folder.native().find('#') != std::string::npos) {
    throw Failure(kCannotWrite,
                  "the folder's path holds # or control characters, or is no UTF-8; choose another "
                  "with --folder");
  }
  return folder;
}

std::map<std::string, std::string> parse_environment(const std::vector<std::string>& settings) {
  std::map<std::string, std::string> variables;
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Failure(kUsage, "--env wants NAME=VALUE");
    }
    variables[setting.substr(0, equals)] = setting.substr(equals + 1);
  }
  return variables;
}

/// Has the configuration demand a grant for each task, if that was asked for.
void require_grants(const InitOptions& options, Config& config) {
  if (options.approvers.empty()) return;
  config.registry.file = config.file.parent_path() / "registry.db";
  config.grants.required = true;
  config.grants.approvers = fs::absolute(options.approvers).lexically_normal();
  config.grants.audience = options.audience;
}

/// Writes the configuration and reads it back: what can't be loaded must not be left behind.
void write_configuration(const NewFiles& files, const Config& config) {
  files.write("mayfly.toml", as_bytes(config_text(config)));
  try {
    static_cast<void>(Config::load(files.staging() / "mayfly.toml"));
  } catch (const Error& error) {
    throw Failure(kBadConfiguration,
                  std::string("what was asked for makes no good configuration: ") + error.what());
  }
}

/// The device's refusal, unless it is the disk that refused it: SoftHSM2 does not tell them apart,
/// and frees again what it could write.
[[noreturn]] void fail_token(const NewFiles& files, const Error& error) {
  static constexpr int kFiles = 8;  // a token is about that many, small ones
  for (int i = 0; i < kFiles; ++i) {
    files.write("space-" + std::to_string(i), Bytes(8 * 1024, 0x20));
  }
  throw Failure(status_of(error), error.what());
}

/// The files that are made, in their order.
std::vector<std::string> with_issuer(std::vector<std::string> names, const InitOptions& options,
                                     const char* secret) {
  if (!options.issuer.empty()) names.insert(names.end() - 1, {secret, "issuer.pem"});
  return names;
}

/// The rest of [issuer], and the certificate.
void finish_issuer(const NewFiles& files, const std::string& trust_domain, Signer& key,
                   Config& config) {
  files.write("issuer.pem", as_bytes(self_signed_pem(trust_domain, key, kIssuerLife)));
  config.issuer.trust_domain = trust_domain;
  config.issuer.certificate = config.file.parent_path() / "issuer.pem";
}

/// A second token, whose PIN no broker needs, with the issuer's key.
void add_softhsm_issuer(const NewFiles& files, const std::string& trust_domain, Config& config) {
  SecretBuffer pin = make_random_pin();
  files.write("issuer-pin", pin.view());
  config.issuer.token = std::string("pkcs11:token=") + kIssuerLabel;
  config.issuer.pin_source = {PinSource::Kind::file,
                              (config.file.parent_path() / "issuer-pin").string()};
  const std::string library = config.device.module.string();
  make_softhsm_token(library, files.staging() / "building.conf", kIssuerLabel, pin);
  static_cast<void>(
      make_issuer_key(library, config.issuer.token, pin, config.issuer.key, kIssuerKind, config));
  HsmSigner key(library, key_uri(config.issuer.token, config.issuer.key), "the issuer's key",
                std::move(pin));
  finish_issuer(files, trust_domain, key, config);
}

/// A file with the issuer's key, for a machine without an HSM.
void add_file_issuer(const NewFiles& files, const std::string& trust_domain, Config& config) {
  const SecretBuffer pem = make_private_pem(kIssuerKind);
  files.write("issuer-key.pem", pem.view());
  config.issuer.key_file = config.file.parent_path() / "issuer-key.pem";
  config.issuer.attestation_key = config.file.parent_path() / "attestation-key.json";
  finish_issuer(files, trust_domain, *signer_of_pem(pem.view()), config);
}

/// A new SoftHSM2 token, all its files in the folder.
Config init_softhsm(const fs::path& folder, const InitOptions& options) {
  const fs::path library = find_softhsm();
  NewFiles files(folder, with_issuer({"tokens", "softhsm2.conf", "pin", "mayfly.toml"}, options,
                                     "issuer-pin"));
  Config config;
  config.file = folder / "mayfly.toml";
  config.device.module = library;
  config.device.token = std::string("pkcs11:token=") + kLabel;
  config.device.pin_source = {PinSource::Kind::file, (folder / "pin").string()};
  config.device.environment = {{"SOFTHSM2_CONF", (folder / "softhsm2.conf").string()}};

  SecretBuffer pin = make_random_pin();
  files.make_folder("tokens");
  files.write("pin", pin.view());
  files.write("building.conf", as_bytes(softhsm_configuration(files.staging() / "tokens")));
  try {
    make_softhsm_token(library, files.staging() / "building.conf", kLabel, pin);
    if (!options.issuer.empty()) add_softhsm_issuer(files, options.issuer, config);
  } catch (const Error& error) {
    fail_token(files, error);
  }
  fs::remove(files.staging() / "building.conf");
  files.write("softhsm2.conf", as_bytes(softhsm_configuration(folder / "tokens")));
  require_grants(options, config);
  write_configuration(files, config);
  files.commit();
  return config;
}

/// Logs in to the token once and out again.
void try_device(const DeviceConfig& device) {
  set_device_environment(device.environment);
  std::optional<SecretBuffer> pin;
  try {
    pin = device.pin_source.read();
  } catch (const Error& error) {
    throw Failure(kWrongPin, error.what());
  }
  std::unique_ptr<pkcs11::VendorModule> module;
  try {
    module = std::make_unique<pkcs11::VendorModule>(device.module.string());
    module->initialize();
  } catch (const Error& error) {
    throw Failure(kDeviceMissing, error.what());
  }
  try {
    TokenSession session(*module, pkcs11::find_token(*module, device.token).slot, 0);
    session.log_in(CKU_USER, *pin);
  } catch (const Error&) {
    module->close();
    throw;
  }
  module->close();
}

/// A configuration for a token that is there already.
Config init_module(const fs::path& folder, const InitOptions& options) {
  Config config;
  config.file = folder / "mayfly.toml";
  const bool bare = options.module.find('/') == std::string::npos;
  config.device.module = bare ? fs::path(options.module) : fs::absolute(options.module);
  config.device.token = options.token;
  try {
    config.device.pin_source = PinSource::parse(options.pin_source, fs::current_path());
  } catch (const Error& error) {
    throw Failure(kUsage, std::string("--pin-source: ") + error.what());
  }
  config.device.environment = parse_environment(options.environment);
  require_grants(options, config);
  NewFiles files(folder, {"mayfly.toml"});
  write_configuration(files, config);
  try_device(config.device);
  files.commit();
  return config;
}

/// Makes a key on the TPM once, and writes down who the TPM is.
Config init_tpm(const fs::path& folder, const InitOptions& options) {
  static constexpr char kKeyFile[] = "attestation-key.json";
  Config config;
  config.file = folder / "mayfly.toml";
  config.device.type = DeviceType::tpm;
  if (!options.tcti.empty()) config.tpm.tcti = options.tcti;
  require_grants(options, config);
  NewFiles files(folder, with_issuer({kKeyFile, "mayfly.toml"}, options, "issuer-key.pem"));
  if (!options.issuer.empty()) add_file_issuer(files, options.issuer, config);
  write_configuration(files, config);
  const std::unique_ptr<Device> device = open_device(config);
  try {
    const auto spec = test_key_spec(*device);
    if (!spec) throw Failure(kDeviceFailed, "the TPM makes no keys that mayfly knows");
    use_test_key(*device, *spec);
  } catch (...) {
    device->close();
    throw;
  }
  device->close();
  const TpmEnrolment enrolment = enrol_tpm(config.tpm);
  files.write(kKeyFile, as_bytes(enrolment.file));
  files.commit();
  return config;
}

void print_tpm(const Config& config, bool json) {
  const std::string key_file = (config.file.parent_path() / "attestation-key.json").string();
  if (json) {
    std::cout << nlohmann::json{{"configuration", config.file.string()},
                                {"tcti", config.tpm.tcti},
                                {"attestation_key", key_file}}
                     .dump(2)
              << '\n';
    return;
  }
  std::cout << "Wrote  " << config.file.string() << '\n'
            << "TPM    " << config.tpm.tcti << '\n'
            << "Key    " << key_file << ", for those who verify its evidence\n";
}

void print_next_steps(const Config& config) {
  if (!config.issuer.trust_domain.empty()) {
    std::cout << "Issuer " << config.issuer.trust_domain << ", "
              << config.issuer.certificate.string() << '\n';
  }
  if (config.file != Config::user_folder() / "mayfly.toml") {
    std::cout << "Next:  export MAYFLY_CONF=" << shell_word(config.file.native()) << '\n';
  }
  std::cout << "Next:  mayfly doctor\n";
}

void print_token(const Config& config, bool json) {
  if (json) {
    std::cout << nlohmann::json{{"configuration", config.file.string()},
                                {"module", config.device.module.string()},
                                {"token", config.device.token},
                                {"pin_source", config.device.pin_source.describe()}}
                     .dump(2)
              << '\n';
    return;
  }
  std::cout << "Wrote  " << config.file.string() << '\n'
            << "Module " << config.device.module.string() << '\n'
            << "Token  " << config.device.token << '\n'
            << "PIN    from " << config.device.pin_source.describe() << '\n';
}

void check_issuer(const InitOptions& options) {
  if (options.issuer.empty()) return;
  if (!options.module.empty()) {
    throw Failure(kUsage,
                  "--issuer goes with a new device; of one that is there, fill in [issuer] in the "
                  "configuration and run: mayfly issuer init");
  }
  if (!credential::is_trust_domain(options.issuer)) {
    throw Failure(kUsage,
                  "--issuer wants a trust domain, of lower-case letters, digits, dots, dashes and "
                  "underscores, such as agents.example");
  }
}

void check_usage(const InitOptions& options) {
  check_issuer(options);
  const int source_options =
      !options.module.empty() + !options.token.empty() + !options.pin_source.empty();
  if (source_options % 3 != 0 || (source_options == 0 && !options.environment.empty())) {
    throw Failure(kUsage, "--module, --token and --pin-source belong together, and --env to them");
  }
  if (options.device == "tpm" && source_options != 0) {
    throw Failure(kUsage, "--module, --token, --pin-source and --env are not for a TPM");
  }
  if (options.device != "tpm" && !options.tcti.empty()) {
    throw Failure(kUsage, "--tcti goes with --device tpm");
  }
  if (options.approvers.empty() != options.audience.empty()) {
    throw Failure(kUsage, "--approvers and --audience belong together");
  }
}

void run_init(const InitOptions& options) {
  check_usage(options);
  const fs::path folder = target_folder(options);
  const SignalsHeld held;
  umask(077);  // for the files that the device's library makes
  Config config;
  if (options.device == "tpm") {
    config = init_tpm(folder, options);
    print_tpm(config, options.json);
  } else {
    config = options.module.empty() ? init_softhsm(folder, options) : init_module(folder, options);
    print_token(config, options.json);
  }
  if (!options.json) print_next_steps(config);
}

}  // namespace

void add_init(CLI::App& app, int& status) {
  const auto options = std::make_shared<InitOptions>();
  CLI::App* command =
      app.add_subcommand("init", "Set mayfly up: write a configuration, and make a device for it");
  command->footer(
      "Without options the device is a new SoftHSM2 token with a random PIN, kept with the\n"
      "configuration in one folder. With --module, --token and --pin-source it is a token that is\n"
      "there already, of an HSM, say; its PIN is tried once. With --device tpm it is a TPM 2.0, "
      "with\n"
      "which one key is made and destroyed again; attestation-key.json then says who it is.\n\n"
      "Nothing is ever overwritten. If anything goes wrong, nothing is left behind.");
  command
      ->add_option("--folder", options->folder,
                   "Where to put it (default: $XDG_CONFIG_HOME/mayfly or ~/.config/mayfly)")
      ->type_name("DIR");
  command->add_option("--device", options->device, "softhsm or tpm")
      ->check(CLI::IsMember({"softhsm", "tpm"}))
      ->type_name("KIND")
      ->capture_default_str();
  command
      ->add_option("--tcti", options->tcti,
                   "With --device tpm: the way to the TPM (default: device:/dev/tpmrm0)")
      ->type_name("TCTI");
  command
      ->add_option("--module", options->module,
                   "The PKCS#11 library of a device that is there already")
      ->type_name("PATH");
  command
      ->add_option("--token", options->token,
                   "Its token, as a PKCS#11 URI such as pkcs11:token=LABEL")
      ->type_name("URI");
  command
      ->add_option("--pin-source", options->pin_source,
                   "Where its PIN comes from: file:PATH, fd:NUMBER, credential:NAME or "
                   "command:PROGRAM")
      ->type_name("SOURCE");
  command
      ->add_option("--env", options->environment,
                   "An environment variable that the library needs; can be given several times")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--approvers", options->approvers,
                   "Demand a grant for each task, of one whose key is in this JWK Set, which may "
                   "still be made (see mayfly grant approver)")
      ->type_name("FILE");
  command
      ->add_option("--audience", options->audience,
                   "With --approvers: this broker's name, which grants for it say")
      ->type_name("NAME");
  command
      ->add_option("--issuer", options->issuer,
                   "Make an issuer of credentials as well, for this trust domain: a key on a token "
                   "of its own (with a TPM, in a file), and its certificate")
      ->type_name("TRUST-DOMAIN");
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->callback([options, &status] {
    run_init(*options);
    status = kOk;
  });
}

}  // namespace mayfly::tools
