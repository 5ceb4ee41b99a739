#include "tools/broker/descendants.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <memory>
#include <optional>
#include <signal.h>
#include <sstream>
#include <string_view>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "base/descriptor.h"

extern "C" {  // which glibc 2.36 leaves out
#include <sys/pidfd.h>
}

namespace mayfly::broker {
namespace {

using std::chrono::steady_clock;

// How long a process may take to die of SIGKILL: it may hang in the kernel.
constexpr std::chrono::seconds kDeathTime{5};
constexpr timespec kScanPause{0, 20'000'000};

/// One line of /proc/PID/stat. Its state does not matter: the first thread of a living process can
/// be a zombie.
struct Process {
  pid_t number = 0;
  pid_t parent = 0;
  unsigned long long start = 0;
  std::string name;
};

std::optional<Process> read_process(pid_t number) {
  const std::string path = "/proc/" + std::to_string(number) + "/stat";
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> buffer;
  const ssize_t size = file ? read(file.number(), buffer.data(), buffer.size()) : 0;
  if (size <= 0) return std::nullopt;
  const std::string_view line(buffer.data(), static_cast<std::size_t>(size));
  // "NUMBER (NAME) STATE PARENT …": the name may hold anything, parentheses too.
  const std::size_t open = line.find('(');
  const std::size_t close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
  Process process;
  process.number = number;
  process.name = line.substr(open + 1, close - open - 1);
  std::istringstream fields{std::string(line.substr(close + 1))};
  std::string unused;
  fields >> unused >> process.parent;
  for (int field = 5; field < 22; ++field) fields >> unused;  // starttime is field 22 of proc(5)
  fields >> process.start;
  return fields ? std::optional(process) : std::nullopt;
}

std::multimap<pid_t, Process> processes_by_parent() {
  std::multimap<pid_t, Process> result;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc"), closedir);
  if (folder == nullptr) throw std::system_error(errno, std::generic_category(), "/proc");
  while (const dirent* entry = readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    pid_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    if (auto process = read_process(number)) result.emplace(process->parent, std::move(*process));
  }
  return result;
}

/// All descendants of this process, without those that `is_left_out` says so of, and all their own.
template <typename Predicate>
std::vector<Process> find_descendants(const Predicate& is_left_out) {
  const auto by_parent = processes_by_parent();
  std::vector<Process> result;
  std::vector<pid_t> parents{getpid()};
  while (!parents.empty()) {
    const auto [first, last] = by_parent.equal_range(parents.back());
    parents.pop_back();
    for (auto entry = first; entry != last; ++entry) {
      if (is_left_out(entry->second)) continue;
      parents.push_back(entry->second.number);
      result.push_back(entry->second);
    }
  }
  return result;
}

/// Sends a signal to that very process, not to a later one of the same number.
void send_signal(const Process& process, int signal) {
  const Descriptor handle(pidfd_open(process.number, 0));
  if (!handle) return;
  const auto now = read_process(process.number);
  if (!now || now->start != process.start) return;
  pidfd_send_signal(handle.number(), signal, nullptr, 0);
}

enum class Children { none, alive, some_died };

/// Reaps those that are dead. @return what there is, and was.
Children reap_children() noexcept {
  bool some_died = false;
  pid_t child = 0;
  while ((child = waitpid(-1, nullptr, WNOHANG)) > 0) some_died = true;
  if (child < 0 && errno == ECHILD) return Children::none;
  return some_died ? Children::some_died : Children::alive;
}

std::vector<std::string> names_of(const std::vector<Process>& processes) {
  if (processes.empty()) return {"of another user, which /proc hides"};
  std::vector<std::string> names;
  std::ranges::transform(processes, std::back_inserter(names), [](const Process& process) {
    return process.name + " (" + std::to_string(process.number) + ")";
  });
  return names;
}

/// Waits until a child dies, for a short time at most.
void wait_for_death() noexcept {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigtimedwait(&child, nullptr, &kScanPause);
}

}  // namespace

void adopt_orphans() {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    throw std::system_error(errno, std::generic_category(), "prctl");
  }
}

ProcessSet descendants(pid_t but) {
  ProcessSet result;
  siginfo_t unused;
  const bool has_children =
      waitid(P_ALL, 0, &unused, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
  if (!has_children) return result;
  for (const Process& process :
       find_descendants([but](const Process& found) { return found.number == but; })) {
    result.emplace(process.number, process.start);
  }
  return result;
}

std::vector<std::string> end_descendants(std::chrono::milliseconds grace,
                                         const ProcessSet& spared) {
  const auto kill_time = steady_clock::now() + grace;
  ProcessSet asked;
  bool found_none = false;
  while (true) {
    const Children children = reap_children();
    if (children == Children::none) return {};
    const std::vector<Process> left = find_descendants([&spared](const Process& process) {
      return spared.contains({process.number, process.start});
    });
    // Who is reparented while /proc is read may be missed once; his parent's death is ours to see,
    // or he is our child the next time.
    if (left.empty() && found_none && children == Children::alive && !spared.empty() &&
        reap_children() == Children::alive) {
      return {};
    }
    found_none = left.empty();
    const auto now = steady_clock::now();
    if (now >= kill_time + kDeathTime) {
      return left.empty() && !spared.empty() ? std::vector<std::string>() : names_of(left);
    }
    for (const Process& process : left) {
      if (now >= kill_time) {
        send_signal(process, SIGKILL);
      } else if (asked.emplace(process.number, process.start).second) {
        send_signal(process, SIGTERM);
        send_signal(process, SIGCONT);  // a stopped one would not hear of it
      }
    }
    wait_for_death();
  }
}

}  // namespace mayfly::broker
