#include "support/server_process.h"

#include <csignal>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mayfly::test {

ServerProcess::ServerProcess(const std::vector<std::string>& command, const std::string& prefix) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  process_ = fork();
  if (process_ == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);  // a test that crashes leaves nothing behind
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  close(ends[1]);
  const std::unique_ptr<FILE, int (*)(FILE*)> output(fdopen(ends[0], "r"), fclose);
  char line[512];
  while (address_.empty() && fgets(line, sizeof line, output.get()) != nullptr) {
    std::string text(line);
    if (text.rfind(prefix, 0) != 0) continue;
    address_ = text.substr(prefix.size(), text.find_first_of(";\r\n") - prefix.size());
  }
  if (address_.empty()) {
    throw std::runtime_error(command[0] + " did not say where it serves");
  }
}

ServerProcess::~ServerProcess() {
  if (getpid() != owner_) return;  // a forked child: the parent's server is not its own
  kill(-process_, SIGTERM);
  waitpid(process_, nullptr, 0);
}

}  // namespace mayfly::test
