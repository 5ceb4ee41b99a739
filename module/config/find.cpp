#include <cerrno>
#include <cstdlib>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "config/config.h"

namespace mayfly {
namespace {

/// An environment variable that holds an absolute path; empty otherwise, and in a program that runs
/// with more rights than its caller.
std::filesystem::path folder_of(const char* variable) {
  const char* value = secure_getenv(variable);
  return value != nullptr && *value == '/' ? value : "";
}

std::filesystem::path home_folder() {
  if (auto home = folder_of("HOME"); !home.empty()) return home;
  std::vector<char> text(16'384);
  passwd entry{};
  passwd* found = nullptr;
  const bool known =
      getpwuid_r(geteuid(), &entry, text.data(), text.size(), &found) == 0 && found != nullptr;
  return known && found->pw_dir[0] == '/' ? found->pw_dir : "";
}

/// Whether nothing is there. A file that can't be looked at counts as there: the next place must
/// not take over for it in silence.
bool is_absent(const std::filesystem::path& file) noexcept {
  struct stat status {};
  return stat(file.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

}  // namespace

std::filesystem::path Config::user_folder() {
  if (const auto folder = folder_of("XDG_CONFIG_HOME"); !folder.empty()) return folder / "mayfly";
  const auto home = home_folder();
  return home.empty() ? home : home / ".config" / "mayfly";
}

std::filesystem::path Config::find(const std::string& explicit_path) {
  if (!explicit_path.empty()) return std::filesystem::absolute(explicit_path);
  const char* variable = secure_getenv("MAYFLY_CONF");
  if (variable != nullptr && *variable != '\0') return std::filesystem::absolute(variable);

  std::string places;
  for (const auto& folder : {user_folder(), std::filesystem::path("/etc/mayfly")}) {
    if (folder.empty()) continue;
    const auto file = folder / "mayfly.toml";
    if (!is_absent(file)) return file;
    places += (places.empty() ? "" : " and ") + file.string();
  }
  throw Error(CKR_GENERAL_ERROR, "no configuration: $MAYFLY_CONF is not set, and there is no " +
                                     places + "; run: mayfly init");
}

}  // namespace mayfly
