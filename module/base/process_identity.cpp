#include "base/process_identity.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"

namespace mayfly {
namespace {

constexpr char kBootId[] = "/proc/sys/kernel/random/boot_id";
constexpr std::size_t kBootDigits = 16;
[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw Error(CKR_FUNCTION_FAILED,
              path + ": " + why + "; without it no process can be told from another");
}

/// The beginning of a small file, or nothing if there is none.
std::optional<std::string> read_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && (errno == ENOENT || errno == ESRCH)) return std::nullopt;
  if (descriptor < 0) fail(path, std::strerror(errno));
  std::array<char, 4096> buffer;
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
  if (!is_hex(digits, kBootDigits)) fail(kBootId, "is no boot ID");
  return digits;
}

std::uint64_t inode(const char* path, bool required) {
  struct stat status {};
  if (stat(path, &status) == 0) return status.st_ino;
  if (required || errno != ENOENT) fail(path, std::strerror(errno));
  return 0;
}

/// What a /proc/PID/stat says.
struct ProcessStatus {
  char state = 0;
  std::uint64_t threads = 0;
  std::uint64_t started = 0;

  /// Whether nothing runs in it any more: killed, and only waited for.
  [[nodiscard]] bool is_over() const noexcept {
    return (state == 'Z' || state == 'X') && threads <= 1;
  }
};

/// Fields 3, 20 and 22. The name in field 2 may hold anything, brackets and spaces too.
ProcessStatus parse_status(const std::string& path, const std::string& text) {
  const std::size_t name_end = text.rfind(')');
  ProcessStatus status;
  if (name_end != std::string::npos) {
    std::istringstream fields(text.substr(name_end + 1));
    std::string skipped;
    fields >> status.state;
    for (int field = 4; field < 20; ++field) fields >> skipped;
    if (fields >> status.threads >> skipped >> status.started) return status;
  }
  fail(path, "makes no sense");
}

std::optional<ProcessStatus> process_status(std::uint64_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const auto text = read_file(path);
  if (!text || text->empty()) return std::nullopt;
  return parse_status(path, *text);
}

/// Whether /proc shows the processes of this process's own namespace: then it has one number there,
/// and that is the one it knows itself by.
void check_proc_is_ours() {
  static constexpr char kPath[] = "/proc/self/status";
  const auto text = read_file(kPath);
  if (!text) fail(kPath, "is missing");
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word != "NSpid:") continue;
    std::string number;
    if (words >> number && number == std::to_string(getpid()) && !(words >> word)) return;
    break;
  }
  fail(kPath, "belongs to another namespace than this process");
}

}  // namespace

ProcessIdentity ProcessIdentity::self() {
  check_proc_is_ours();
  ProcessIdentity identity;
  identity.boot = read_boot();
  identity.pid_namespace = inode("/proc/self/ns/pid", true);
  identity.time_namespace = inode("/proc/self/ns/time", false);
  identity.pid = static_cast<std::uint64_t>(getpid());
  const auto status = process_status(identity.pid);
  if (!status) fail("/proc/self/stat", "is missing");
  identity.started = status->started;
  return identity;
}

std::string ProcessIdentity::text() const {
  std::string text = boot;
  for (const std::uint64_t number : {pid_namespace, time_namespace, pid, started}) {
    text += ":" + to_hex_number(number);
  }
  return text;
}

std::optional<ProcessIdentity> ProcessIdentity::parse(std::string_view text) {
  const std::string whole(text);
  const auto take = [&text] {
    const std::string_view field = text.substr(0, text.find(':'));
    text.remove_prefix(std::min(field.size() + 1, text.size()));
    return field;
  };
  ProcessIdentity identity;
  identity.boot = take();
  if (!is_hex(identity.boot, kBootDigits)) return std::nullopt;
  for (std::uint64_t* number :
       {&identity.pid_namespace, &identity.time_namespace, &identity.pid, &identity.started}) {
    const auto value = parse_hex_number(take());
    if (!value) return std::nullopt;
    *number = *value;
  }
  if (identity.text() != whole) return std::nullopt;  // only the one way of writing it counts
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
  const auto status = process_status(process.pid);
  if (!status) return kill(pid, 0) != 0 && errno == ESRCH ? Liveness::dead : Liveness::alive;
  return status->started == process.started && !status->is_over() ? Liveness::alive
                                                                  : Liveness::dead;
}

}  // namespace mayfly
