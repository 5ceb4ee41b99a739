// Who has the terminal.
#pragma once

#include <sys/types.h>

namespace mayfly::broker {

/// Terminal models the controlling terminal on standard input, if that is one, and hands it from
/// mayfly's process group to the command's and back, as a shell does with its jobs. SIGTTOU must be
/// blocked.
class Terminal {
 public:
  /// @param group  The process group that mayfly was started in.
  explicit Terminal(pid_t group) noexcept : group_(group) {}

  /// Whether standard input is our controlling terminal and mayfly's process group has it now.
  [[nodiscard]] bool is_ours() const noexcept;
  /// Whether the process group that has it is gone.
  [[nodiscard]] bool is_nobodys() const noexcept;
  /// Whether it was handed over and not taken back.
  [[nodiscard]] bool is_given() const noexcept { return given_; }

  void give_to(pid_t group) noexcept;
  void take_back() noexcept;

 private:
  pid_t group_;
  bool given_ = false;
};

}  // namespace mayfly::broker
