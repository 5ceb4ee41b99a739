#include "fault/registry_writes.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <dlfcn.h>
#include <string_view>
#include <unistd.h>

namespace mayfly::test {
namespace {

RegistryFault plan;
std::atomic<unsigned> writes{0};

bool is_registry(std::string_view path) { return path.find("registry.db") != path.npos; }

/// A file of SQLite's, or any socket of libpq's.
bool is_registry(int descriptor) {
  std::array<char, 64> link;
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", descriptor);
  std::array<char, 512> target;
  const ssize_t size = readlink(link.data(), target.data(), target.size());
  if (size <= 0) return false;
  const std::string_view name(target.data(), static_cast<std::size_t>(size));
  return is_registry(name) || name.starts_with("socket:");
}

/// Makes the real call, and fails, or dies before it or after it, when it is the one.
template <typename Function, typename File, typename... Arguments>
auto make_call(const char* name, File file, Arguments... arguments) {
  const auto real = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
  if (!is_registry(file)) return real(file, arguments...);
  const unsigned number = ++writes;
  if (plan.error != 0 && plan.at != 0 && number >= plan.at) {
    errno = plan.error;
    return decltype(real(file, arguments...))(-1);
  }
  const bool hit = number == plan.at;
  if (hit && !plan.after) kill(getpid(), SIGKILL);
  const auto result = real(file, arguments...);
  if (hit) kill(getpid(), SIGKILL);
  return result;
}

}  // namespace

void watch_registry_writes(const RegistryFault& fault) {
  plan = fault;
  writes = 0;
}

unsigned registry_writes() { return writes; }

}  // namespace mayfly::test

using mayfly::test::make_call;

extern "C" {

__attribute__((visibility("default"))) ssize_t pwrite(int file, const void* data, size_t size,
                                                      off_t offset) {
  return make_call<ssize_t(int, const void*, size_t, off_t)>("pwrite", file, data, size, offset);
}
__attribute__((visibility("default"))) ssize_t pwrite64(int file, const void* data, size_t size,
                                                        off64_t offset) {
  return make_call<ssize_t(int, const void*, size_t, off64_t)>("pwrite64", file, data, size,
                                                               offset);
}
__attribute__((visibility("default"))) int ftruncate(int file, off_t size) noexcept {
  return make_call<int(int, off_t)>("ftruncate", file, size);
}
__attribute__((visibility("default"))) int ftruncate64(int file, off64_t size) noexcept {
  return make_call<int(int, off64_t)>("ftruncate64", file, size);
}
__attribute__((visibility("default"))) int fdatasync(int file) {
  return make_call<int(int)>("fdatasync", file);
}
__attribute__((visibility("default"))) int fsync(int file) {
  return make_call<int(int)>("fsync", file);
}
__attribute__((visibility("default"))) ssize_t send(int file, const void* data, size_t size,
                                                    int flags) {
  return make_call<ssize_t(int, const void*, size_t, int)>("send", file, data, size, flags);
}
__attribute__((visibility("default"))) int unlink(const char* file) noexcept {
  return make_call<int(const char*)>("unlink", file);
}

}  // extern "C"
