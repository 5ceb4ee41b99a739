#include "support/swtpm.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace mayfly::test {
namespace {

pid_t launch(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    // Its only output is one line for each connection.
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    execvp(pointers.front(), pointers.data());
    _exit(127);
  }
  return child;
}

/// Whether a connection to a Unix socket is taken.
bool listens(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  if (name.size() >= sizeof address.sun_path) throw std::runtime_error(name + " is too long");
  std::copy(name.begin(), name.end(), address.sun_path);
  const int number = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool taken =
      connect(number, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(number);
  return taken;
}

}  // namespace

Swtpm::Swtpm() { start(); }

Swtpm::~Swtpm() {
  if (number_ > 0) kill();
}

void Swtpm::start() {
  const std::string control = socket().string() + ".ctrl";
  std::filesystem::remove(socket());
  std::filesystem::remove(control);
  number_ = launch({"swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + folder_.path().string(),
                    "--server", "type=unixio,path=" + socket().string(), "--ctrl",
                    "type=unixio,path=" + control, "--flags", "not-need-init,startup-clear"});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  // Both are there a moment before anybody listens on them.
  while (!listens(control) || !listens(socket())) {
    if (waitpid(number_, nullptr, WNOHANG) != 0 || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("swtpm does not start");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void Swtpm::kill() {
  ::kill(number_, SIGKILL);
  waitpid(number_, nullptr, 0);
  number_ = -1;
}

void Swtpm::freeze() const {
  ::kill(number_, SIGSTOP);
  int status = 0;
  waitpid(number_, &status, WUNTRACED);
}

void Swtpm::thaw() const { ::kill(number_, SIGCONT); }

void Swtpm::run(const std::vector<std::string>& arguments) {
  // On a busy machine the TPM may hang up on a client: each of these can be done again.
  static constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    int status = -1;
    waitpid(launch(arguments), &status, 0);
    if (status == 0) return;
    if (attempt == kAttempts) throw std::runtime_error(arguments.front() + " failed");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void Swtpm::flush_objects() const { run({"tpm2_flushcontext", "-T", tcti(), "-t"}); }

void Swtpm::set_owner_auth(const std::string& value) const {
  run({"tpm2_changeauth", "-T", tcti(), "-c", "owner", value});
}

void Swtpm::reset() {
  run({"swtpm_ioctl", "--unix", socket().string() + ".ctrl", "-i"});
  run({"tpm2_startup", "-T", tcti(), "-c"});
}

void Swtpm::suspend_and_resume() {
  run({"tpm2_shutdown", "-T", tcti()});
  run({"swtpm_ioctl", "--unix", socket().string() + ".ctrl", "-i"});
  run({"tpm2_startup", "-T", tcti()});
}

}  // namespace mayfly::test
