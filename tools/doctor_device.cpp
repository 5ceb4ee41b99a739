#include "tools/doctor_device.h"

#include <memory>
#include <optional>
#include <string_view>
#include <sys/stat.h>

#include "base/error.h"
#include "compose/library.h"
#include "device/pkcs11/token_search.h"
#include "tools/configuration.h"
#include "tools/test_key.h"
#include "tools/token_session.h"

namespace mayfly::tools {
namespace {

constexpr char kPinSource[] = "PIN source";
constexpr char kModule[] = "device module";
constexpr char kToken[] = "device token";
constexpr char kLogin[] = "device login";

/// Walks from one part of the device to the next. Each step leaves behind what the next ones need,
/// or nothing.
class DeviceDoctor {
 public:
  DeviceDoctor(const Config& config, Report& report) : config_(config), report_(report) {}
  ~DeviceDoctor();
  DeviceDoctor(const DeviceDoctor&) = delete;
  DeviceDoctor& operator=(const DeviceDoctor&) = delete;

  void check_pin_source();
  void check_module();
  void check_token();
  void check_login();
  void check_mechanisms();
  void check_test_key();

 private:
  const Config& config_;
  Report& report_;
  bool pin_readable_ = false;
  std::unique_ptr<pkcs11::VendorModule> module_;
  std::optional<pkcs11::Token> token_;
  std::unique_ptr<Device> device_;
};

DeviceDoctor::~DeviceDoctor() {
  if (device_ != nullptr) device_->close();
  if (module_ != nullptr) module_->close();
}

/// Whether reading the source uses it up.
bool can_be_read_once_only(const PinSource& source) {
  struct stat status {};
  return source.kind == PinSource::Kind::descriptor &&
         fstat(std::stoi(source.value), &status) == 0 && !S_ISREG(status.st_mode);
}

void DeviceDoctor::check_pin_source() {
  const PinSource& source = config_.device.pin_source;
  if (can_be_read_once_only(source)) {
    pin_readable_ = true;
    report_.ok(kPinSource, source.describe() + " can be read once only; the login reads it");
    return;
  }
  try {
    static_cast<void>(source.read());
    pin_readable_ = true;
    report_.ok(kPinSource, source.describe());
  } catch (const std::exception& error) {
    report_.fail(kPinSource, error.what());
  }
}

void DeviceDoctor::check_module() {
  try {
    auto module = std::make_unique<pkcs11::VendorModule>(config_.device.module.string());
    module->initialize();
    module_ = std::move(module);
    CK_INFO info{};
    std::string library;
    if (module_->functions()->C_GetInfo(&info) == CKR_OK) {
      library = ", " + pkcs11::padded_text(info.manufacturerID, sizeof info.manufacturerID) + " " +
                std::to_string(info.libraryVersion.major) + "." +
                std::to_string(info.libraryVersion.minor);
    }
    report_.ok(kModule, module_->path() + library);
  } catch (const std::exception& error) {
    report_.fail(kModule, error.what());
  }
}

void DeviceDoctor::check_token() {
  if (module_ == nullptr) return report_.skip(kToken, kModule);
  try {
    token_ = pkcs11::find_token(*module_, config_.device.token);
    report_.ok(kToken, config_.device.token + ", slot " + std::to_string(token_->slot));
  } catch (const std::exception& error) {
    report_.fail(kToken, error.what());
  }
}

void DeviceDoctor::check_login() {
  if (!token_) return report_.skip(kLogin, kToken);
  if (!pin_readable_) return report_.skip(kLogin, kPinSource);
  if ((token_->info.flags & CKF_USER_PIN_LOCKED) != 0) {
    return report_.fail(kLogin,
                        "the token says that its user PIN is locked; unlock it with the "
                        "vendor's tool");
  }
  if ((token_->info.flags & CKF_USER_PIN_FINAL_TRY) != 0) {
    return report_.fail(kLogin,
                        "not tried, because the token says that one more wrong PIN locks it; "
                        "make sure of the PIN and log in once with the vendor's tool");
  }
  try {
    device_ = open_device(config_);
    report_.ok(kLogin, "one login, accepted");
  } catch (const std::exception& error) {
    report_.fail(kLogin, error.what());
  }
}

void DeviceDoctor::check_mechanisms() {
  if (device_ == nullptr) return report_.skip(kMechanisms, kLogin);
  report_key_kinds(*device_, report_);
}

void DeviceDoctor::check_test_key() {
  if (device_ == nullptr) return report_.skip(kTestKey, kLogin);
  const auto spec = test_key_spec(*device_);
  if (!spec) return report_.skip(kTestKey, kMechanisms);
  try {
    TokenSession session(*module_, token_->slot, 0);
    const auto count = [&] {
      return session.count_session_objects(CKO_PRIVATE_KEY) +
             session.count_session_objects(CKO_PUBLIC_KEY);
    };
    const std::size_t before = count();
    use_test_key(*device_, *spec);
    if (count() != before) {
      return report_.fail(kTestKey,
                          "the key was destroyed, but the device still shows a part of it; "
                          "ask the vendor about session objects");
    }
    report_.ok(kTestKey,
               to_string(*spec) + " made, signed with, verified, destroyed; nothing left");
  } catch (const std::exception& error) {
    report_.fail(kTestKey, error.what());
  }
}

}  // namespace

void report_key_kinds(const Device& device, Report& report) {
  const std::string list = key_kinds_of(device);
  if (list.empty()) {
    return report.fail(kMechanisms,
                       "the device can make none of the keys that mayfly knows; use "
                       "another device or token");
  }
  report.ok(kMechanisms, list + (device.info().hardware ? ", in hardware" : ", in software"));
}

void check_device(const Config& config, Report& report) {
  set_device_environment(config.device.environment);
  DeviceDoctor doctor(config, report);
  doctor.check_pin_source();
  doctor.check_module();
  doctor.check_token();
  doctor.check_login();
  doctor.check_mechanisms();
  doctor.check_test_key();
}

}  // namespace mayfly::tools
