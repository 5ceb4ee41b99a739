#include "tools/doctor_tpm.h"

#include <memory>
#include <unistd.h>

#include "base/error.h"
#include "compose/library.h"
#include "device/tpm/tpm.h"
#include "device/tpm/tpm_identity.h"
#include "tools/configuration.h"
#include "tools/doctor_device.h"
#include "tools/test_key.h"
#include "tools/tpm_enrolment.h"

namespace mayfly::tools {
namespace {

using tpm::Tpm;

constexpr char kTpm[] = "TPM";
constexpr char kResets[] = "TPM resets";
constexpr char kLockout[] = "TPM lockout";
constexpr char kLoaded[] = "TPM slots";
constexpr char kDevice[] = "device";
constexpr char kAttestation[] = "attestation key";

/// Looks at one TPM, part by part. Each step leaves behind what the next ones need, or nothing.
class TpmDoctor {
 public:
  TpmDoctor(const Config& config, Report& report) : config_(config), report_(report) {}
  ~TpmDoctor() {
    if (device_ != nullptr) device_->close();
  }
  TpmDoctor(const TpmDoctor&) = delete;
  TpmDoctor& operator=(const TpmDoctor&) = delete;

  void check_reachable();
  void check_resets();
  void check_lockout();
  void check_loaded();
  void check_device();
  void check_test_key();
  void check_attestation_key();

 private:
  /// Runs one check, whose failure is reported under its name.
  template <typename Body>
  void look(const char* name, Body&& body);
  [[nodiscard]] std::size_t loaded_objects();

  const Config& config_;
  Report& report_;
  std::unique_ptr<Tpm> tpm_;
  std::unique_ptr<Device> device_;
};

template <typename Body>
void TpmDoctor::look(const char* name, Body&& body) {
  if (tpm_ == nullptr) return report_.skip(name, kTpm);
  try {
    body();
  } catch (const std::exception& error) {
    report_.fail(name, error.what());
  }
}

std::size_t TpmDoctor::loaded_objects() { return tpm_->handles(TPM2_TRANSIENT_FIRST).size(); }

/// Why the kernel's device can't be used, and how to mend it; empty if that is not it.
std::string device_file_problem(const std::string& tcti) {
  static constexpr std::string_view kDeviceTcti = "device:";
  if (!tcti.starts_with(kDeviceTcti)) return {};
  const std::string file = tcti.substr(kDeviceTcti.size());
  if (access(file.c_str(), F_OK) != 0) {
    return file + " is not there: switch the TPM on in the machine's firmware, or set tpm.tcti";
  }
  if (access(file.c_str(), R_OK | W_OK) != 0) {
    return "this user may not use " + file +
           "; run: sudo usermod --append --groups tss \"$USER\", "
           "and log in anew";
  }
  return {};
}

void TpmDoctor::check_reachable() {
  if (const std::string problem = device_file_problem(config_.tpm.tcti); !problem.empty()) {
    return report_.fail(kTpm, problem);
  }
  try {
    auto connection =
        std::make_unique<Tpm>(tpm::ConnectionOptions{config_.tpm.tcti, config_.tpm.timeout});
    const DeviceInfo info = tpm::identify(*connection);
    tpm_ = std::move(connection);
    const std::uint32_t revision = tpm_->property(TPM2_PT_REVISION);
    report_.ok(kTpm, info.manufacturer + (info.model.empty() ? "" : " " + info.model) +
                         ", firmware " + info.firmware + ", specification " +
                         std::to_string(revision / 100) + "." + std::to_string(revision % 100) +
                         ", by " + config_.tpm.tcti);
  } catch (const std::exception& error) {
    report_.fail(kTpm, error.what());
  }
}

void TpmDoctor::check_resets() {
  look(kResets, [&] {
    const TPMS_TIME_INFO time = tpm_->read_clock();
    const std::string counts = std::to_string(time.clockInfo.resetCount) + " resets, " +
                               std::to_string(time.clockInfo.restartCount) + " restarts since";
    if (time.clockInfo.resetCount > 0) return report_.ok(kResets, counts);
    const std::string problem =
        "the counter of resets stands at 0, so that clearing the TPM could bring ended keys back; "
        "restart the machine once (swtpm: stop it and start it again)";
    if (config_.tpm.software_deadline) return report_.warn(kResets, problem);
    report_.fail(kResets, problem);
  });
}

void TpmDoctor::check_lockout() {
  look(kLockout, [&] {
    const std::string counts = std::to_string(tpm_->property(TPM2_PT_LOCKOUT_COUNTER)) + " of " +
                               std::to_string(tpm_->property(TPM2_PT_MAX_AUTH_FAIL)) +
                               " wrong authorisations";
    if ((tpm_->property(TPM2_PT_PERMANENT) & TPMA_PERMANENT_INLOCKOUT) == 0) {
      return report_.ok(kLockout, counts);
    }
    report_.warn(kLockout, "the TPM refuses keys of other programs after " + counts +
                               "; keys of mayfly go on. It ends by itself, or run: "
                               "tpm2_dictionarylockout --clear-lockout");
  });
}

void TpmDoctor::check_loaded() {
  look(kLoaded, [&] {
    const std::size_t objects = loaded_objects();
    const std::size_t sessions = tpm_->handles(TPM2_LOADED_SESSION_FIRST).size();
    const std::size_t saved = tpm_->handles(TPM2_ACTIVE_SESSION_FIRST).size();
    const std::string counts = std::to_string(objects) + " objects and " +
                               std::to_string(sessions) + " sessions loaded, " +
                               std::to_string(saved) + " sessions saved";
    if (objects + sessions + saved == 0) return report_.ok(kLoaded, counts);
    report_.warn(kLoaded, counts +
                              ", by programs that run or that were killed; where none runs, run: "
                              "tpm2_flushcontext -t, with -l and with -s");
  });
}

void TpmDoctor::check_device() {
  if (tpm_ == nullptr) {
    report_.skip(kDevice, kTpm);
    return report_.skip(kMechanisms, kTpm);
  }
  try {
    device_ = open_device(config_);
    report_.ok(kDevice, config_.tpm.software_deadline
                            ? "opened; deadlines by mayfly alone (tpm.deadline)"
                            : "opened; deadlines in the chip");
    report_key_kinds(*device_, report_);
  } catch (const std::exception& error) {
    report_.fail(kDevice, error.what());
    report_.skip(kMechanisms, kDevice);
  }
}

void TpmDoctor::check_test_key() {
  if (device_ == nullptr) return report_.skip(kTestKey, kDevice);
  const auto spec = test_key_spec(*device_);
  if (!spec) return report_.skip(kTestKey, kMechanisms);
  look(kTestKey, [&] {
    use_test_key(*device_, *spec);
    report_.ok(kTestKey, to_string(*spec) + " made, signed with, verified, destroyed");
  });
}

void TpmDoctor::check_attestation_key() {
  look(kAttestation, [&] {
    try {
      const TpmEnrolment enrolment = enrol_tpm(config_.tpm);
      report_.ok(kAttestation,
                 enrolment.thumbprint + (enrolment.certified
                                             ? ", on a TPM with a certificate of its maker"
                                             : ", on a TPM without a certificate of its maker"));
    } catch (const Error& error) {
      // Tasks work without.
      report_.warn(kAttestation, std::string("no evidence can be given: ") + error.what());
    }
  });
}

}  // namespace

void check_tpm(const Config& config, Report& report) {
  TpmDoctor doctor(config, report);
  doctor.check_reachable();
  doctor.check_resets();
  doctor.check_lockout();
  doctor.check_loaded();
  doctor.check_device();
  doctor.check_test_key();
  doctor.check_attestation_key();
}

}  // namespace mayfly::tools
