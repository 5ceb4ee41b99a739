#include "base/process_identity.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

namespace mayfly {
namespace {

constexpr char kBootId[] = "/proc/sys/kernel/random/boot_id";
constexpr std::size_t kBootDigits = 16;
constexpr int kFieldsToStartTime = 20;  // from field 3, which follows the name in brackets, to 22

[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw Error(CKR_FUNCTION_FAILED,
              path + ": " + why + "; without it no process can be told from another: mount /proc");
}

/// The beginning of a small file, or nothing if there is none.
std::optional<std::string> read_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && (errno == ENOENT || errno == ESRCH)) return std::nullopt;
  if (descriptor < 0) fail(path, std::strerror(errno));
  std::array<char, 1024> buffer;
  const ssize_t size = read(descriptor, buffer.data(), buffer.size());
  const int error = errno;
  close(descriptor);
  if (size < 0 && error == ESRCH) return std::nullopt;
  if (size < 0) fail(path, std::strerror(error));
  return std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::string read_boot() {
  const auto text = read_file(kBootId);
  if (!text) fail(kBootId, "is missing");
  std::string digits;
  for (const char c : *text) {
    if (c != '-' && digits.size() < kBootDigits) digits += c;
  }
  if (digits.size() != kBootDigits ||
      digits.find_first_not_of("0123456789abcdef") != std::string::npos) {
    fail(kBootId, "is no boot ID");
  }
  return digits;
}

std::uint64_t inode(const char* path, bool required) {
  struct stat status {};
  if (stat(path, &status) == 0) return status.st_ino;
  if (required || errno != ENOENT) fail(path, std::strerror(errno));
  return 0;
}

/// Field 22 of a /proc/PID/stat. The name in field 2 may hold anything, brackets and spaces too.
std::uint64_t parse_start_time(const std::string& path, std::string_view text) {
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) fail(path, "makes no sense");
  text.remove_prefix(name_end + 1);
  for (int field = 0; field < kFieldsToStartTime; ++field) {
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) fail(path, "makes no sense");
    text.remove_prefix(space + 1);
  }
  std::uint64_t ticks = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ticks);
  if (error != std::errc() || end == text.data() + text.size() || *end != ' ') {
    fail(path, "makes no sense");
  }
  return ticks;
}

std::optional<std::uint64_t> start_time(std::uint64_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const auto text = read_file(path);
  if (!text || text->empty()) return std::nullopt;
  return parse_start_time(path, *text);
}

/// Whether /proc shows the processes of this process's own namespace.
void check_proc_is_ours() {
  std::array<char, 32> target{};
  const ssize_t size = readlink("/proc/self", target.data(), target.size() - 1);
  if (size < 0) fail("/proc/self", std::strerror(errno));
  if (std::string_view(target.data()) != std::to_string(getpid())) {
    fail("/proc/self", "belongs to another namespace than this process");
  }
}

}  // namespace

ProcessIdentity ProcessIdentity::self() {
  check_proc_is_ours();
  ProcessIdentity identity;
  identity.boot = read_boot();
  identity.pid_namespace = inode("/proc/self/ns/pid", true);
  identity.time_namespace = inode("/proc/self/ns/time", false);
  identity.pid = static_cast<std::uint64_t>(getpid());
  const auto started = start_time(identity.pid);
  if (!started) fail("/proc/self/stat", "is missing");
  identity.started = *started;
  return identity;
}

Liveness liveness(const ProcessIdentity& process, const ProcessIdentity& observer) {
  if (process.boot != observer.boot || process.pid_namespace != observer.pid_namespace ||
      process.time_namespace != observer.time_namespace) {
    return Liveness::out_of_sight;
  }
  check_proc_is_ours();
  const auto pid = static_cast<pid_t>(process.pid);
  if (pid <= 0 || static_cast<std::uint64_t>(pid) != process.pid) return Liveness::dead;
  if (kill(pid, 0) != 0 && errno == ESRCH) return Liveness::dead;
  // Another user's /proc entry may be hidden (hidepid): then there is a process, and it may be it.
  const auto started = start_time(process.pid);
  if (!started) return kill(pid, 0) != 0 && errno == ESRCH ? Liveness::dead : Liveness::alive;
  return *started == process.started ? Liveness::alive : Liveness::dead;
}

}  // namespace mayfly
