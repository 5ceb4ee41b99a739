// The command, as its supervisor sees it.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "tools/broker/signal_queue.h"
#include "tools/broker/terminal.h"

namespace mayfly::broker {

/// CommandProcess models the command, the first of a process group of its own, and gives it the
/// terminal when mayfly has it.
class CommandProcess {
 public:
  /// Starts the command. It dies by SIGTERM if this process dies without ending it.
  /// @param environment  NAME=VALUE, the whole of it.
  /// @param group        The process group that mayfly was started in.
  /// @throws tools::Failure kNotFound or kCannotExecute; kSystem if no process can be made.
  CommandProcess(const std::vector<std::string>& command, std::vector<std::string> environment,
                 const SignalQueue& signals, pid_t group);
  /// Takes the terminal back.
  ~CommandProcess();
  CommandProcess(const CommandProcess&) = delete;
  CommandProcess& operator=(const CommandProcess&) = delete;

  [[nodiscard]] pid_t number() const noexcept { return number_; }

  /// Sends a signal to the command's process group. The command must not have been waited for.
  void pass_on(int signal) noexcept;

  /// The command was stopped. If the terminal is its, mayfly's process group stops as well, so that
  /// the shell takes over.
  void stopped() noexcept;
  /// mayfly was continued; so is the command.
  void continued() noexcept;

 private:
  const pid_t group_;
  pid_t number_ = -1;
  Terminal terminal_;
};

}  // namespace mayfly::broker
