// The process that the user started, which watches over the supervisor.
#pragma once

#include <optional>
#include <sys/types.h>

#include "tools/broker/control_channel.h"
#include "tools/broker/descendants.h"
#include "tools/broker/signal_queue.h"
#include "tools/broker/terminal.h"

namespace mayfly::broker {

/// Guardian models the outermost process of a run. It starts the supervisor as its child and does
/// nothing but pass signals on to it, so that of the two, either can be killed with SIGKILL and the
/// other ends what is left: the guardian adopts a killed supervisor's orphans and ends them; the
/// supervisor, which hears of the guardian's death, ends the task and the command.
///
/// Signals are passed on as messages: of two signals of one number that a process is sent, it may
/// see one only, and whoever signals all processes of a service sends the supervisor one as well.
///
/// Children that the process had before it was mayfly, of a shell that called exec, say, did not
/// come of the command, and are left alone.
class Guardian {
 public:
  /// Forks. The caller must have one thread only.
  /// @param signals  Taken by each of the two for itself.
  /// @throws std::system_error
  explicit Guardian(SignalQueue& signals);

  [[nodiscard]] bool is_supervisor() const noexcept { return supervisor_ == 0; }

  /// In the supervisor: the guardian's process group, which has the terminal when mayfly has it.
  [[nodiscard]] pid_t group() const noexcept { return group_; }
  /// In the supervisor: readable when the guardian was sent a signal, or is dead.
  [[nodiscard]] int descriptor() const noexcept { return channel_.descriptor(); }
  /// In the supervisor: the signal that the guardian was sent; nothing if it is dead.
  [[nodiscard]] std::optional<int> receive_signal();
  /// In the supervisor: says that a worker was started.
  void report_worker(pid_t worker) noexcept;
  /// In the supervisor: says that it ends in order.
  void report_end() noexcept;

  /// In the guardian: waits until the supervisor is dead and ends all that is left of it.
  /// @return its wait status.
  [[nodiscard]] int watch();
  /// After that: whether the supervisor had not ended in order.
  [[nodiscard]] bool has_cleaned_up() const noexcept { return has_cleaned_up_; }

 private:
  void take_signals();
  void pass_on(int signal) noexcept;
  void wait_for_children() noexcept;
  void note_bystanders() noexcept;
  [[nodiscard]] bool ended_in_order();
  void clean_up();
  void wait_for_worker() noexcept;

  SignalQueue& signals_;
  const pid_t group_;
  Terminal terminal_;
  const bool had_terminal_;
  ProcessSet bystanders_;
  pid_t supervisor_ = -1;
  ControlChannel channel_;
  std::optional<int> status_;
  bool has_cleaned_up_ = false;
  pid_t worker_ = -1;
};

}  // namespace mayfly::broker
