#include "tools/broker/own_library.h"

#include <system_error>

#include "tools/failure.h"

namespace mayfly::broker {

namespace fs = std::filesystem;

std::vector<fs::path> own_library_places() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  const fs::path beside = program.parent_path();
  return {beside / MAYFLY_MODULE_FOLDER,
          beside / "lib" / MAYFLY_MULTIARCH / "pkcs11",
          beside / "lib" / "pkcs11",
          beside / "lib64" / "pkcs11",
          beside / "module" / "api",
          MAYFLY_FULL_MODULE_FOLDER,
          "/usr/lib/" MAYFLY_MULTIARCH "/pkcs11",
          "/usr/lib/pkcs11"};
}

std::optional<fs::path> find_own_library() {
  std::error_code ignored;
  for (const fs::path& place : own_library_places()) {
    const fs::path library = place / "libmayfly.so";
    if (fs::exists(library, ignored)) return library;
  }
  return std::nullopt;
}

std::string own_library() {
  const auto library = find_own_library();
  if (!library) {
    throw tools::Failure(tools::kNotFound, "libmayfly.so is not there; install mayfly anew");
  }
  return library->string();
}

}  // namespace mayfly::broker
