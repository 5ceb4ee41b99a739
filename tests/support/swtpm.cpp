#include "support/swtpm.h"

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace mayfly::test {
namespace {

pid_t start(std::vector<std::string> arguments) {
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

}  // namespace

Swtpm::Swtpm() {
  const std::string control = socket().string() + ".ctrl";
  number_ = start({"swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + folder_.path().string(),
                   "--server", "type=unixio,path=" + socket().string(), "--ctrl",
                   "type=unixio,path=" + control, "--flags", "not-need-init,startup-clear"});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!std::filesystem::exists(control) || !std::filesystem::exists(socket())) {
    if (waitpid(number_, nullptr, WNOHANG) != 0 || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("swtpm does not start");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

Swtpm::~Swtpm() {
  kill(number_, SIGKILL);
  waitpid(number_, nullptr, 0);
}

void Swtpm::flush_objects() const {
  int status = -1;
  waitpid(start({"tpm2_flushcontext", "-T", tcti(), "-t"}), &status, 0);
  if (status != 0) throw std::runtime_error("tpm2_flushcontext failed");
}

}  // namespace mayfly::test
