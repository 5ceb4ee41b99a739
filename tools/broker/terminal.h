// Who has the terminal.
#pragma once

#include <sys/types.h>

namespace mayfly::broker {

/// Terminal models the controlling terminal on standard input, if that is one, and hands it to the
/// command's process group and back, as a shell does with its jobs. SIGTTOU must be blocked.
class Terminal {
 public:
  /// Whether standard input is our controlling terminal and our process group has it now.
  [[nodiscard]] bool is_ours() const noexcept;
  /// Whether it was handed over and not taken back.
  [[nodiscard]] bool is_given() const noexcept { return given_; }

  void give_to(pid_t group) noexcept;
  void take_back() noexcept;

 private:
  bool given_ = false;
};

}  // namespace mayfly::broker
