#include "tools/configuration.h"

#include <cstdlib>

#include "tools/failure.h"

namespace mayfly::tools {
namespace {

std::filesystem::path find_configuration(const std::string& explicit_path) {
  try {
    return Config::find(explicit_path);
  } catch (const Error& error) {
    throw Failure(kNoConfiguration, error.what());
  }
}

}  // namespace

Config load_configuration(const std::string& explicit_path) {
  const std::filesystem::path file = find_configuration(explicit_path);
  std::error_code unreachable;
  if (!std::filesystem::exists(file, unreachable) && !unreachable) {
    throw Failure(kNoConfiguration, "there is no configuration " + file.string() +
                                        "; correct the path, or run: mayfly init");
  }
  try {
    return Config::load(file);
  } catch (const Error& error) {
    throw Failure(kBadConfiguration, error.what());
  }
}

void set_device_environment(const std::map<std::string, std::string>& variables) {
  for (const auto& [name, value] : variables) {
    if (setenv(name.c_str(), value.c_str(), 1) != 0) {
      throw Failure(kSystem, "no memory for the environment variable " + name);
    }
  }
}

}  // namespace mayfly::tools
