#include "fuzz/fuzzed_device.h"

namespace mayfly::test {

FuzzedDevice::FuzzedDevice() : token_("fuzzed") {}

std::filesystem::path FuzzedDevice::write_config(bool login_required,
                                                 const std::string& extra) const {
  const std::string name = login_required ? "login" : "open";
  const auto pin_file = folder_.write(name + ".pin", kClientPin);
  return folder_.write(
      name + ".toml",
      "[device]\nmodule = \"" + SoftHsmToken::module_path().string() + "\"\ntoken = \"" +
          token_.uri() + "\"\npin-source = \"file:" + token_.pin_file().string() +
          "\"\n[log]\nlevel = \"off\"\n[login]\nrequired = " + (login_required ? "true" : "false") +
          "\npin-source = \"file:" + pin_file.string() + "\"\n" + extra);
}

}  // namespace mayfly::test
