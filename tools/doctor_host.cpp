#include "tools/doctor_host.h"

#include <dlfcn.h>
#include <memory>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "tools/broker/own_library.h"
#include "tools/broker/runtime_folder.h"

namespace mayfly::tools {
namespace {

namespace fs = std::filesystem;

struct CloseLibrary {
  void operator()(void* library) const noexcept { dlclose(library); }
};
using LoadedLibrary = std::unique_ptr<void, CloseLibrary>;

/// Loads a library for a look, bound in full and with its names for itself.
LoadedLibrary load(const fs::path& library) {
  return LoadedLibrary(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL));
}

std::string load_error() {
  const char* error = dlerror();
  return error == nullptr ? "no reason given" : error;
}

}  // namespace

void check_p11kit_client(Report& report) {
  static constexpr char kName[] = "p11-kit client";
  const fs::path library = fs::path(MAYFLY_P11KIT_MODULES) / "p11-kit-client.so";
  if (load(library) != nullptr) return report.ok(kName, library);
  report.fail(kName, "`mayfly run` needs it, but it can't be loaded: " + load_error() +
                         "; install p11-kit's modules (Debian: apt install p11-kit-modules)");
}

void check_module_library(Report& report) {
  static constexpr char kName[] = "libmayfly.so";
  const auto library = broker::find_own_library();
  if (!library) {
    std::string looked;
    for (const fs::path& place : broker::own_library_places()) {
      looked += (looked.empty() ? "" : ", ") + place.string();
    }
    return report.fail(kName, "is in none of " + looked + "; install mayfly's library");
  }
  const LoadedLibrary loaded = load(*library);
  if (loaded == nullptr) {
    return report.fail(
        kName, library->string() + " can't be loaded: " + load_error() + "; install mayfly anew");
  }
  for (const char* function : {"C_GetFunctionList", "C_GetInterfaceList", "C_GetInterface"}) {
    if (dlsym(loaded.get(), function) == nullptr) {
      return report.fail(
          kName, library->string() + " does not export " + function + "; install mayfly anew");
    }
  }
  report.ok(kName, *library);
}

void check_memory(Report& report) {
  if (const SecretBuffer secret(SecretBuffer::kMaxSize); secret.locked()) {
    report.ok("locked memory", "secrets are kept out of swap space");
  } else {
    report.warn("locked memory",
                "secrets could be written to swap space; raise RLIMIT_MEMLOCK (ulimit -l, or "
                "LimitMEMLOCK= in a systemd unit)");
  }
  rlimit cores{};
  if (getrlimit(RLIMIT_CORE, &cores) == 0 && cores.rlim_cur == 0) {
    report.ok("core dumps", "off");
  } else {
    report.warn("core dumps",
                "a crash could write the device library's memory to the disk; switch them off "
                "(ulimit -c 0, or LimitCORE=0 in a systemd unit)");
  }
}

void check_runtime_folder(const Config& config, Report& report) {
  static constexpr char kName[] = "runtime folder";
  try {
    const broker::RuntimeFolder folder(config.broker);
    report.ok(kName, folder.path().parent_path());
  } catch (const std::exception& error) {
    report.fail(kName, error.what());
  }
}

void check_log(const Config& config, Report& report) {
  static constexpr char kName[] = "log";
  if (config.log.level == log::Level::off) {
    return report.warn(kName,
                       "is off, so that nobody will know why something was refused; set "
                       "log.level to \"warn\"");
  }
  try {
    log::configure(config.log.level, config.log.file.string());
    report.ok(kName, config.log.file.empty() ? "standard error" : config.log.file.string());
  } catch (const std::exception& error) {
    report.fail(kName, error.what());
  }
}

}  // namespace mayfly::tools
