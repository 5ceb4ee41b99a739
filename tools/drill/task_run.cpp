#include "tools/drill/task_run.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <poll.h>
#include <signal.h>
#include <sstream>
#include <stdexcept>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tools/broker/child_process.h"
#include "tools/new_files.h"

namespace mayfly::drill {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kStartTime{30};
constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::seconds kGrace{3};
constexpr std::chrono::milliseconds kNap{5};

/// A pipe: the end that is read, the end that is written.
std::pair<Descriptor, Descriptor> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe can be made");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

/// The first line that comes; what came of it at the end or when the time is over.
std::string read_line(int descriptor) {
  const auto deadline = steady_clock::now() + kStartTime;
  std::string line;
  while (line.empty() || line.back() != '\n') {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    pollfd entry{descriptor, POLLIN, 0};
    if (left.count() <= 0 || poll(&entry, 1, static_cast<int>(left.count())) == 0) break;
    char next = 0;
    const ssize_t size = read(descriptor, &next, 1);
    if (size == 0 || (size < 0 && errno != EINTR)) break;
    if (size == 1) line += next;
  }
  return line;
}

bool comes_true(const std::function<bool()>& condition, std::chrono::seconds within) {
  const auto deadline = steady_clock::now() + within;
  while (!condition()) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kNap);
  }
  return true;
}

std::string first_line_of(const std::string& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

std::vector<pid_t> children_of(pid_t process) {
  const std::string folder = "/proc/" + std::to_string(process);
  std::ifstream stream(folder + "/task/" + std::to_string(process) + "/children");
  std::vector<pid_t> children;
  for (pid_t child = 0; stream >> child;) children.push_back(child);
  return children;
}

/// Sends a signal to a process that may be dead by now, and its number another's.
void send(const Descriptor& process, int signal) noexcept {
  syscall(SYS_pidfd_send_signal, process.number(), signal, nullptr, 0);
}

bool is_dead(const Descriptor& process, std::chrono::milliseconds within) noexcept {
  pollfd entry{process.number(), POLLIN, 0};
  return poll(&entry, 1, static_cast<int>(within.count())) > 0;
}

/// The letter for the state of a process or a thread (proc(5), field 3 of stat); 0 if there is
/// none.
char state_of(const std::filesystem::path& folder) {
  const std::string stat = first_line_of((folder / "stat").string());
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && name_end + 2 < stat.size() ? stat[name_end + 2] : '\0';
}

bool has_stopped(pid_t process) {
  std::error_code error;
  for (const auto& thread :
       std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task", error)) {
    if (state_of(thread.path()) != 'T') return false;
  }
  return !error;
}

broker::Program run_program(const Ground& ground, const std::string& task,
                            const TaskRun::Options& options) {
  const std::string config =
      options.config.empty() ? ground.config_file().string() : options.config;
  broker::Program program{"/proc/self/exe",
                          {"mayfly", "run", "--config", config, "--task", task},
                          broker::environment_of_this_process()};
  std::vector<std::string>& arguments = program.arguments;
  if (!options.ttl.empty()) arguments.insert(arguments.end(), {"--ttl", options.ttl});
  if (!options.policy.empty()) arguments.insert(arguments.end(), {"--policy", options.policy});
  std::string grant = options.grant;
  if (grant.empty() && ground.wants_grant(options.policy)) grant = ground.grant_for(task);
  if (!grant.empty()) {
    const auto file = ground.folder() / ("grant-" + random_hex(4, "a file's name"));
    tools::write_new_file(file, as_bytes(grant));
    arguments.insert(arguments.end(), {"--grant", file.string()});
  }
  // It executes nothing: the loader of a program has files of its own open.
  arguments.insert(arguments.end(), {"--", "/bin/sh", "-c",
                                     "printf '%s %s\\n' \"$$\" \"$MAYFLY_SOCKET\"; "
                                     "while read -r line; do :; done"});
  return program;
}

}  // namespace

TaskRun::TaskRun(const Ground& ground, const std::string& task, const Options& options)
    : errors_(ground.folder() / ("errors-" + random_hex(4, "a file's name"))) {
  auto [their_input, our_input] = make_pipe();
  auto [our_output, their_output] = make_pipe();
  const Descriptor errors(open(errors_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const broker::Program program = run_program(ground, task, options);
  guardian_ = broker::spawn(program, [&, in = their_input.number(), out = their_output.number()] {
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(errors.number(), STDERR_FILENO) < 0) {
      throw std::system_error(errno, std::generic_category());
    }
  });
  input_ = std::move(our_input);
  their_input.reset();
  their_output.reset();
  std::istringstream line(read_line(our_output.number()));
  std::string door;
  if (!(line >> command_) || !std::getline(line >> std::ws, door)) {
    kill(guardian_, SIGTERM);
    wait();
    throw std::runtime_error("mayfly run did not start its command: " + this->errors());
  }
  door_ = door;
  find_processes();
}

TaskRun::~TaskRun() {
  input_.reset();
  // One that is stopped can't end.
  for (const Descriptor& process : below_) send(process, SIGCONT);
  if (guardian_ > 0) {
    kill(guardian_, SIGCONT);
    kill(guardian_, SIGTERM);
    if (!is_over(kGrace)) {
      kill(guardian_, SIGKILL);
      while (waitpid(guardian_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }
  // They may have more to do than who was killed.
  for (const Descriptor& process : below_) {
    if (!is_dead(process, kGrace)) send(process, SIGKILL);
  }
}

void TaskRun::find_processes() {
  for (const pid_t child : children_of(guardian_)) supervisor_ = child;
  for (const pid_t child : children_of(supervisor_)) {
    if (first_line_of("/proc/" + std::to_string(child) + "/comm") == "mayfly-worker") {
      worker_ = child;
    }
  }
  if (worker_ < 0) throw NotTried("the processes of mayfly run can't be told apart here");
  for (const pid_t process : {supervisor_, worker_}) {
    below_.emplace_back(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  }
}

void TaskRun::end() {
  input_.reset();
  wait();
}

void TaskRun::wait() {
  if (!is_over(kPatience)) throw std::runtime_error("mayfly run does not end");
}

bool TaskRun::is_over(std::chrono::seconds within) {
  if (!comes_true([this] { return waitpid(guardian_, nullptr, WNOHANG) != 0; }, within)) {
    return false;
  }
  guardian_ = -1;
  return true;
}

std::string TaskRun::errors() const {
  std::ifstream stream(errors_);
  return {std::istreambuf_iterator<char>(stream), {}};
}

bool lives(pid_t process) {
  const char state = state_of("/proc/" + std::to_string(process));
  return state != '\0' && state != 'Z' && state != 'X';
}

bool dies(pid_t process, std::chrono::seconds within) {
  return comes_true([process] { return !lives(process); }, within);
}

void stop(pid_t process) {
  kill(process, SIGSTOP);
  if (!comes_true([process] { return has_stopped(process); }, kPatience)) {
    throw std::runtime_error("a process can't be stopped");
  }
}

}  // namespace mayfly::drill
