#include "bench/configuration.h"

#include <fstream>

namespace mayfly::bench {

std::string write_configuration(const test::SoftHsmToken& token) {
  std::string text = "[device]\nmodule = \"" + token.module_path().string() + "\"\ntoken = \"" +
                     token.uri() + "\"\npin-source = \"file:" + token.pin_file().string() +
                     "\"\n[device.env]\n";
  for (const auto& [name, value] : token.environment()) text += name + " = \"" + value + "\"\n";
  const auto file = token.folder() / "mayfly.toml";
  std::ofstream(file) << text;
  return file.string();
}

}  // namespace mayfly::bench
