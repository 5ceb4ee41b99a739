// Signals, taken one by one.
#pragma once

#include <optional>
#include <signal.h>
#include <sys/types.h>

#include "base/descriptor.h"

namespace mayfly::broker {

/// A signal that was taken.
struct Signal {
  int number = 0;
  pid_t sender = 0;        ///< 0 if it is not known here, as of another container
  bool by_kernel = false;  ///< for a terminal's key, say
};

/// SignalQueue holds back the signals that a supervisor passes on, and SIGCHLD, as long as it
/// lives, and gives them out one by one. SIGPIPE and SIGTTOU are held back and never given out.
class SignalQueue {
 public:
  /// @throws std::system_error
  SignalQueue();
  /// Drops what nobody took.
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  /// Readable when a signal is there.
  [[nodiscard]] int descriptor() const noexcept { return queue_.number(); }
  /// The next signal, if there is one.
  [[nodiscard]] std::optional<Signal> next() noexcept;

  /// The signal mask of before: for programs that are started.
  [[nodiscard]] const sigset_t& original_mask() const noexcept { return original_mask_; }

 private:
  sigset_t held_back_{};
  sigset_t original_mask_{};
  struct sigaction original_child_action_ {};
  Descriptor queue_;
};

/// Whether a signal asks a process to end.
[[nodiscard]] bool is_ending(int signal) noexcept;

}  // namespace mayfly::broker
