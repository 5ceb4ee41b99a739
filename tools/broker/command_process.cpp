#include "tools/broker/command_process.h"

#include <cerrno>
#include <cstring>
#include <system_error>
#include <unistd.h>

#include "base/safeguard.h"
#include "tools/broker/child_process.h"
#include "tools/failure.h"

namespace mayfly::broker {
namespace {

[[noreturn]] void fail(const std::string& command, int reason) {
  switch (reason) {
    case ENOENT:
    case ENOTDIR:
      throw tools::Failure(tools::kNotFound,
                           command + ": command not found; check its name and $PATH");
    case EAGAIN:
    case ENOMEM:
      throw tools::Failure(tools::kSystem,
                           command + " can't be started: " + std::strerror(reason) + "; try again");
    default:
      throw tools::Failure(tools::kCannotExecute,
                           command + " can't be executed: " + std::strerror(reason) +
                               "; check its permissions and its first line");
  }
}

}  // namespace

CommandProcess::CommandProcess(const std::vector<std::string>& command,
                               std::vector<std::string> environment, const SignalQueue& signals,
                               pid_t group)
    : group_(group), terminal_(group) {
  const bool in_foreground = terminal_.is_ours();
  const pid_t parent = getpid();
  try {
    number_ = spawn({command.front(), command, std::move(environment)}, [&] {
      setpgid(0, 0);
      if (!kept(Safeguard::inherited_descriptors)) {
        for (int number = STDERR_FILENO + 1; number < 64; ++number)
          set_close_on_exec(number, false);
      }
      if (in_foreground) terminal_.give_to(getpid());
      follow_parent(parent, SIGTERM);
      sigprocmask(SIG_SETMASK, &signals.original_mask(), nullptr);
    });
  } catch (const std::system_error& error) {
    if (in_foreground) terminal_.give_to(group_);
    fail(command.front(), error.code().value());
  }
  // The child has done it already; this notes it.
  if (in_foreground) terminal_.give_to(number_);
}

CommandProcess::~CommandProcess() { terminal_.take_back(); }

void CommandProcess::pass_on(int signal) noexcept { kill(-number_, signal); }

void CommandProcess::stopped() noexcept {
  if (!terminal_.is_given()) return;
  terminal_.take_back();
  kill(-group_, SIGTSTP);
}

void CommandProcess::continued() noexcept {
  if (terminal_.is_ours()) terminal_.give_to(number_);
  pass_on(SIGCONT);
}

}  // namespace mayfly::broker
