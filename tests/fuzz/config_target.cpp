// The configuration file: any text is either understood or refused with its name and its line.
#include <chrono>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "config/config.h"
#include "fuzz/finding.h"

namespace mayfly::test {
namespace {

/// A file in memory, whose path only this process has.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : descriptor_(memfd_create("mayfly.toml", 0)) {
    const bool good =
        descriptor_ >= 0 && fchmod(descriptor_, 0600) == 0 &&
        write(descriptor_, content.data(), content.size()) == static_cast<ssize_t>(content.size());
    require(good, "the machine has memory for the file");
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

void check(const Config& config) {
  using std::chrono::seconds;
  if (config.device.type == DeviceType::pkcs11) {
    require(!config.device.module.empty(), "device.module is not empty");
    require(!config.device.token.empty(), "device.token is not empty");
  } else {
    require(config.device.module.empty() && config.device.token.empty(), "a TPM has no token");
    require(!config.tpm.tcti.empty(), "tpm.tcti is not empty");
  }
  require(config.device.token.find('\0') == std::string::npos, "device.token holds no NUL");
  require(config.task.ttl >= seconds(1) && config.task.ttl <= config.task.max_ttl,
          "task.ttl lies between a second and task.max-ttl");
  require(config.task.max_ttl <= std::chrono::days(3660), "task.max-ttl is ten years at most");
  require(!config.login.required || config.login.pin_source.has_value(),
          "a login that is required has a PIN");
  for (const std::size_t limit : {config.limits.max_tasks, config.limits.max_sessions,
                                  config.limits.max_objects, config.limits.max_connections}) {
    require(limit >= 1 && limit <= 1'000'000, "limits are in their range");
  }
  require(config.device.max_sessions <= 1'000'000, "device.max-sessions is in its range");
  if (config.device.type == DeviceType::pkcs11 &&
      config.device.pin_source.kind == PinSource::Kind::file) {
    require(config.device.pin_source.value.starts_with('/'), "a PIN file's path is absolute");
  }
  require_message(config.device.pin_source.describe());
}

void load(const MemoryFile& file) {
  try {
    check(Config::load(file.path()));
  } catch (const Error& error) {
    const std::string message = error.what();
    require(error.rv() == CKR_GENERAL_ERROR, "a bad configuration is CKR_GENERAL_ERROR");
    require(message.starts_with(file.path() + ":"), "a message starts with the file's name");
    require_message(message);
  }
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  test::load(test::MemoryFile(as_text({data, size})));
  return 0;
}
