// What another process of the machine can try against a task that runs.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <set>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "device/broker/broker_link.h"
#include "tools/drill/module.h"
#include "tools/drill/task_run.h"
#include "tools/new_files.h"

namespace mayfly::drill {
namespace {

namespace fs = std::filesystem;

constexpr char kSameUser[] = "another process of the agent's user";
constexpr char kOtherUser[] = "a process of another user of the machine";
constexpr char kCommand[] = "the command that mayfly run started";
constexpr char kFileWriter[] = "write access to mayfly's files for a moment";

std::string failure() { return std::strerror(errno); }

/// Root may trace anybody, and is no attacker here: what is tried is what root's own agent could do
/// without that.
void give_up_tracing() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (syscall(SYS_capget, &header, sets.data()) != 0) throw NotTried("capget: " + failure());
  const auto bit = static_cast<__u32>(CAP_TO_MASK(CAP_SYS_PTRACE));
  auto& set = sets[CAP_TO_INDEX(CAP_SYS_PTRACE)];
  if ((set.permitted & bit) == 0) return;
  prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0);
  for (__u32* part : {&set.permitted, &set.effective, &set.inheritable}) *part &= ~bit;
  if (syscall(SYS_capset, &header, sets.data()) != 0) {
    throw NotTried("the right to trace all processes can't be given up: " + failure());
  }
}

/// A task that runs, and none of whose processes this one has a right to that its user has not.
struct Target {
  explicit Target(const Ground& ground) : run((give_up_tracing(), ground), "drill") {}

  [[nodiscard]] std::vector<std::pair<std::string, pid_t>> processes() const {
    return {
        {"worker", run.worker()}, {"supervisor", run.supervisor()}, {"guardian", run.guardian()}};
  }

  TaskRun run;
};

Outcome trace(const Ground& ground) {
  const Target target(ground);
  for (const auto& [name, process] : target.processes()) {
    if (ptrace(PTRACE_SEIZE, process, nullptr, nullptr) == 0) {
      ptrace(PTRACE_INTERRUPT, process, nullptr, nullptr);
      waitpid(process, nullptr, __WALL);
      ptrace(PTRACE_DETACH, process, nullptr, nullptr);
      return {Result::broken, "the " + name + " is traced"};
    }
  }
  return {Result::held, "PTRACE_SEIZE of worker, supervisor and guardian: " + failure()};
}

Outcome read_memory(const Ground& ground) {
  const Target target(ground);
  for (const auto& [name, process] : target.processes()) {
    const std::string path = "/proc/" + std::to_string(process) + "/mem";
    const Descriptor memory(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (memory) return {Result::broken, "the memory of the " + name + " is open"};
  }
  return {Result::held, "/proc/PID/mem of worker, supervisor and guardian: " + failure()};
}

Outcome take_descriptors(const Ground& ground) {
  const Target target(ground);
  for (const auto& [name, process] : target.processes()) {
    const fs::path folder = "/proc/" + std::to_string(process) + "/fd";
    for (int number = 0; number < 64; ++number) {
      std::error_code error;
      const fs::path file = fs::read_symlink(folder / std::to_string(number), error);
      if (!error && !file.empty())
        return {Result::broken, "descriptor " + std::to_string(number) + " of the " + name};
    }
  }
  return {Result::held, "/proc/PID/fd of worker, supervisor and guardian can't be read"};
}

Outcome inherit_descriptors(const Ground& ground) {
  // What whoever drills has left open is his to pass on, and nothing of mayfly's.
  if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "close_range");
  }
  const TaskRun run(ground, "drill");
  std::set<int> open;
  for (const auto& entry :
       fs::directory_iterator("/proc/" + std::to_string(run.command()) + "/fd")) {
    open.insert(std::stoi(entry.path().filename()));
  }
  open.erase(STDIN_FILENO);
  open.erase(STDOUT_FILENO);
  open.erase(STDERR_FILENO);
  if (open.empty()) return {Result::held, "the command has its three standard streams"};
  return {Result::broken, "the command has " + std::to_string(open.size()) + " more descriptors"};
}

std::string whole(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// Whether a secret stands in what a user can read of a process.
bool tells(pid_t process, std::string_view secret) {
  const std::string folder = "/proc/" + std::to_string(process);
  return whole(folder + "/environ").find(secret) != std::string::npos ||
         whole(folder + "/cmdline").find(secret) != std::string::npos;
}

Outcome find_pins(const Ground& ground) {
  TaskRun::Options options;
  options.policy = kWithLogin;
  const TaskRun run(ground, "drill", options);
  std::vector<std::pair<std::string, std::string>> secrets = {{"login", ground.login_pin()}};
  if (ground.config().device.type == DeviceType::pkcs11) {
    const SecretBuffer pin = ground.config().device.pin_source.read();
    // Fewer characters would be found by chance.
    if (pin.size() >= 6) secrets.emplace_back("device", std::string(as_text(pin.view())));
  }
  for (const auto& [name, secret] : secrets) {
    for (const pid_t process : {run.command(), run.worker(), run.supervisor(), run.guardian()}) {
      if (tells(process, secret)) {
        return {Result::broken,
                "the PIN of the " + name + " stands in process " + std::to_string(process)};
      }
    }
  }
  return {Result::held, "no environment and no command line holds a PIN"};
}

constexpr agent::BrokerLink::Patience kDoorPatience{std::chrono::seconds(5),
                                                    std::chrono::seconds(5)};

/// A user who is nobody here.
constexpr uid_t kStranger = 65534;

/// Folders that others may pass through for as long as this lives.
class OpenFolders {
 public:
  explicit OpenFolders(std::vector<fs::path> folders) : folders_(std::move(folders)) {
    for (const fs::path& folder : folders_) chmod(folder.c_str(), 0711);
  }
  ~OpenFolders() {
    for (const fs::path& folder : folders_) chmod(folder.c_str(), 0700);
  }
  OpenFolders(const OpenFolders&) = delete;
  OpenFolders& operator=(const OpenFolders&) = delete;

 private:
  const std::vector<fs::path> folders_;
};

/// What a process of another user finds out.
enum class OtherUser { is_let_in, is_kept_out, is_none, is_far_away };

OtherUser connect_from_outside(const fs::path& door) {
  if (setgroups(0, nullptr) != 0 || setresgid(kStranger, kStranger, kStranger) != 0 ||
      setresuid(kStranger, kStranger, kStranger) != 0) {
    return OtherUser::is_none;
  }
  if (access(door.parent_path().parent_path().c_str(), X_OK) != 0) return OtherUser::is_far_away;
  try {
    const agent::BrokerLink link(door, kDoorPatience);
    return OtherUser::is_let_in;
  } catch (const std::exception&) {
    return OtherUser::is_kept_out;
  }
}

Outcome connect_as_another(const Ground& ground) {
  if (geteuid() != 0) throw NotTried("it takes root to be another user");
  const TaskRun run(ground, "drill");
  // Only mayfly's own folder and socket shall be in his way.
  const OpenFolders open({ground.folder(), run.door().parent_path().parent_path()});
  const agent::BrokerLink owner(run.door(), kDoorPatience);  // who may
  const pid_t child = fork();
  if (child < 0) throw NotTried("no process can be made");
  if (child == 0) _exit(static_cast<int>(connect_from_outside(run.door())));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) throw std::runtime_error("the other user's process crashed");
  switch (static_cast<OtherUser>(WEXITSTATUS(status))) {
    case OtherUser::is_let_in:
      return {Result::broken, "the door let another user in"};
    case OtherUser::is_kept_out:
      return {Result::held, "another user does not get in"};
    case OtherUser::is_none:
      throw NotTried("no process of another user can be made");
    case OtherUser::is_far_away:
      break;
  }
  throw NotTried("other users can't reach the folder of temporary files");
}

/// The ground's configuration in another file.
std::string copied_config(const Ground& ground, const std::string& name, const std::string& text) {
  const fs::path copy = ground.folder() / name;
  tools::write_new_file(copy, as_bytes(text));
  return copy.string();
}

Outcome run_with(const Ground& ground, const std::string& config, const char* policy) {
  TaskRun::Options options;
  options.config = config;
  options.policy = policy;
  try {
    const TaskRun run(ground, "drill", options);
    return {Result::broken, "mayfly run took it"};
  } catch (const std::runtime_error& error) {
    return {Result::held, error.what()};
  }
}

Outcome loose_configuration(const Ground& ground) {
  const std::string text = whole(ground.config_file());
  const std::string config = copied_config(ground, "loose.toml", text);
  if (run_with(ground, config, "").result != Result::broken) {
    throw std::runtime_error("it is not taken while nobody else can write it, either");
  }
  chmod(config.c_str(), 0666);
  return run_with(ground, config, "");
}

Outcome loose_pin(const Ground& ground) {
  const std::string name = "login-pin";
  std::string text = whole(ground.config_file());
  const std::size_t at = text.find("/" + name + "\"");
  if (at == std::string::npos) throw NotTried("the PIN is no file");
  text.replace(at + 1, name.size(), "loose-pin");
  tools::write_new_file(ground.folder() / "loose-pin", as_bytes(ground.login_pin()));
  const std::string config = copied_config(ground, "pin.toml", text);
  if (run_with(ground, config, kWithLogin).result != Result::broken) {
    throw std::runtime_error("it is not taken while nobody else can read it, either");
  }
  chmod((ground.folder() / "loose-pin").c_str(), 0644);
  return run_with(ground, config, kWithLogin);
}

}  // namespace

std::vector<Scenario> neighbour_scenarios() {
  using enum Safeguard;
  return {
      {"trace-the-broker",
       kSameUser,
       "traces worker, supervisor and guardian by ptrace",
       "none of them can be traced",
       {undumpable},
       trace},
      {"read-the-brokers-memory",
       kSameUser,
       "opens /proc/PID/mem of the three",
       "none of them can be opened",
       {undumpable},
       read_memory},
      {"take-the-brokers-descriptors",
       kSameUser,
       "looks through /proc/PID/fd of the three for the device and its PIN",
       "none of them can be read",
       {undumpable},
       take_descriptors},
      {"inherit-descriptors",
       kCommand,
       "uses what descriptors he has inherited",
       "there are none but the three standard streams",
       {inherited_descriptors},
       inherit_descriptors},
      {"find-a-pin",
       kCommand,
       "looks for PINs in the environment and the command lines of all processes",
       "no PIN is there",
       {command_secrets},
       find_pins},
      {"connect-as-another-user",
       kOtherUser,
       "connects to the task's door",
       "he is not let in: neither folder and socket nor the worker take him",
       {socket_mode, peer_user},
       connect_as_another},
      {"writable-configuration",
       kFileWriter,
       "makes the configuration writable by all, to change it",
       "it is not used any more",
       {guarded_files},
       loose_configuration},
      {"readable-pin",
       kFileWriter,
       "makes the file of a PIN readable by all",
       "it is not used any more",
       {guarded_files},
       loose_pin},
  };
}

}  // namespace mayfly::drill
