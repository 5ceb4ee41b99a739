// The device of the fault tests: SoftHSM2 behind a module that follows a script, with a bystander's
// objects on its token, and a look behind mayfly's back.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "conformance/provider.h"
#include "support/faulty_module.h"
#include "support/raw_module.h"
#include "support/softhsm_token.h"

namespace mayfly::test {

/// A way in which mayfly keeps keys on the device. The fault tests run over all of them.
struct KeyKeeping {
  const char* name;
  const char* config_lines;     ///< what [device] says for it
  const char* config_tables;    ///< further tables of the configuration
  bool keys_outlive_processes;  ///< keys of a killed process stay until the next one reaps them
};

/// All ways that this build has.
inline constexpr KeyKeeping kKeyKeepings[] = {
    {"session", "", "", false},
    {"stored", "keys = \"stored\"\n", "[registry]\nfile = \"registry.db\"\n", true},
};

/// One object on the token, as far as it can be read.
struct DeviceObject {
  CK_OBJECT_CLASS object_class;
  std::string label;
  std::string value;  ///< CKA_VALUE of data, CKA_EC_POINT of public keys

  auto operator<=>(const DeviceObject&) const = default;
};

/// Keys on the token beside the bystander's.
struct KeyCount {
  std::size_t private_keys = 0;
  std::size_t public_keys = 0;
};

class FaultDevice {
 public:
  enum class Bystander { none, there };

  /// Makes the token, with a bystander's objects on it if wanted. SoftHSM2 is not initialised
  /// afterwards.
  /// @param device_config  Lines for [device].
  explicit FaultDevice(const KeyKeeping& keeping, Bystander bystander,
                       const std::string& device_config = "");
  ~FaultDevice();
  FaultDevice(const FaultDevice&) = delete;
  FaultDevice& operator=(const FaultDevice&) = delete;

  /// From now on the device outlives mayfly in this process, so that what mayfly leaves on it can
  /// be seen.
  void stay_up();

  [[nodiscard]] FaultyModule& module() const noexcept { return *module_; }
  [[nodiscard]] CallScript& script() const noexcept { return module_->script; }
  [[nodiscard]] const SoftHsmToken& token() const noexcept { return token_; }
  [[nodiscard]] std::unique_ptr<Provider> load_mayfly() const {
    return make_provider(config_file_);
  }
  [[nodiscard]] std::string log_text() const { return read_file(log_file_); }

  /// Keys on the token that are not the bystander's, asked of SoftHSM2 directly.
  [[nodiscard]] KeyCount keys() const;
  /// Of the sessions that mayfly opened since the script was started and knows of, those that the
  /// device still has.
  [[nodiscard]] std::size_t sessions_left() const;
  /// Whether the token opens and everything of the bystander's is there, unchanged, and its key
  /// signs.
  [[nodiscard]] bool bystander_unharmed() const;

 private:
  [[nodiscard]] std::vector<DeviceObject> objects() const;
  void make_bystander();

  SoftHsmToken token_;
  TempFolder folder_;
  std::filesystem::path log_file_;
  std::filesystem::path config_file_;
  void* library_;
  FaultyModule* module_;
  std::vector<DeviceObject> bystander_;
  std::unique_ptr<RawModule> up_;
};

}  // namespace mayfly::test
