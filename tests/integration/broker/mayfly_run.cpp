#include "integration/broker/mayfly_run.h"

#include <cstdlib>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace mayfly::test {
namespace {

constexpr std::chrono::seconds kMostTime{60};

[[noreturn]] void become_mayfly(const std::vector<std::string>& arguments,
                                const std::function<void()>& prepare, const std::string& output,
                                const std::string& errors) {
  dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
  dup2(open(output.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), STDOUT_FILENO);
  dup2(open(errors.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), STDERR_FILENO);
  close_range(STDERR_FILENO + 1, ~0U, 0);
  unsetenv("SOFTHSM2_CONF");  // of the test's own
  setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
  for (const int number : {SIGINT, SIGQUIT, SIGHUP}) signal(number, SIG_DFL);
  prepare();
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  execv(pointers[0], pointers.data());
  _exit(99);
}

bool has_argument(pid_t process, const std::string& text) {
  return read_file("/proc/" + std::to_string(process) + "/cmdline").find(text) != std::string::npos;
}

/// Waits for a child of a process. -1 if there is none in time.
pid_t find_child(pid_t parent, const std::function<bool(pid_t)>& is_wanted) {
  pid_t found = -1;
  const std::string number = std::to_string(parent);
  eventually([&] {
    std::ifstream children("/proc/" + number + "/task/" + number + "/children");
    for (pid_t child = 0; found < 0 && children >> child;) {
      if (is_wanted(child)) found = child;
    }
    return found > 0;
  });
  return found;
}

}  // namespace

std::filesystem::path mayfly_program() { return MAYFLY_PROGRAM; }

MayflyRun::MayflyRun(const BrokerHome& home, const std::string& task,
                     const std::vector<std::string>& command, const Options& options) {
  std::vector<std::string> arguments = {mayfly_program().string(), "run", "--config",
                                        home.config_file().string(), "--task=" + task};
  arguments.insert(arguments.end(), options.before.begin(), options.before.end());
  arguments.emplace_back("--");
  arguments.insert(arguments.end(), command.begin(), command.end());
  number_ = fork();
  if (number_ == 0) {
    become_mayfly(arguments, options.prepare, output_file().string(), errors_file().string());
  }
}

MayflyRun::~MayflyRun() {
  if (number_ < 0) return;
  kill(number_, SIGKILL);
  waitpid(number_, nullptr, 0);
}

pid_t MayflyRun::supervisor() const {
  // It may have children of before it was mayfly.
  return find_child(number_, [](pid_t child) { return has_argument(child, "--task="); });
}

pid_t MayflyRun::worker() const {
  return find_child(supervisor(), [](pid_t child) { return has_argument(child, "broker-worker"); });
}

bool MayflyRun::says(const std::string& text) const {
  return eventually([&] { return output().find(text) != std::string::npos; });
}

void MayflyRun::send(int signal) const { kill(number_, signal); }

Outcome MayflyRun::wait() {
  Outcome outcome;
  const bool ended = eventually(
      [&] { return waitpid(number_, &outcome.wait_status, WNOHANG) == number_; }, kMostTime);
  EXPECT_TRUE(ended) << "mayfly run did not end";
  if (ended) number_ = -1;
  outcome.output = output();
  outcome.errors = errors();
  return outcome;
}

Outcome run_in_task(const BrokerHome& home, const std::string& task,
                    const std::vector<std::string>& command, const MayflyRun::Options& options) {
  return MayflyRun(home, task, command, options).wait();
}

Outcome run_script(const BrokerHome& home, const std::string& task, const std::string& script) {
  return run_in_task(home, task, {"/bin/sh", "-c", script});
}

std::vector<std::string> list_descriptors() { return {MAYFLY_TEST_CLIENT, "descriptors"}; }

std::string client(const std::string& action) {
  return MAYFLY_TEST_CLIENT " \"$MAYFLY_PKCS11_MODULE\" \"$MAYFLY_TASK_ID\" " + action;
}

}  // namespace mayfly::test
