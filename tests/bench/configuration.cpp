#include "bench/configuration.h"

#include <fstream>

namespace mayfly::bench {

std::string write_configuration(const test::SoftHsmToken& token, const std::string& file_name,
                                const std::string& more) {
  std::string text = "[device]\nmodule = \"" + token.module_path().string() + "\"\ntoken = \"" +
                     token.uri() + "\"\npin-source = \"file:" + token.pin_file().string() +
                     "\"\n[device.env]\n";
  for (const auto& [name, value] : token.environment()) text += name + " = \"" + value + "\"\n";
  const auto file = token.folder() / file_name;
  std::ofstream(file) << text << more;
  return file.string();
}

}  // namespace mayfly::bench
