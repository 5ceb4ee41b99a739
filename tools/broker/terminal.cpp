#include "tools/broker/terminal.h"

#include <cerrno>
#include <signal.h>
#include <unistd.h>

namespace mayfly::broker {

bool Terminal::is_ours() const noexcept { return tcgetpgrp(STDIN_FILENO) == group_; }

bool Terminal::is_nobodys() const noexcept {
  const pid_t group = tcgetpgrp(STDIN_FILENO);
  return group > 0 && kill(-group, 0) != 0 && errno == ESRCH;
}

void Terminal::give_to(pid_t group) noexcept {
  if (tcsetpgrp(STDIN_FILENO, group) == 0) given_ = true;
}

void Terminal::take_back() noexcept {
  if (!given_) return;
  tcsetpgrp(STDIN_FILENO, group_);
  given_ = false;
}

}  // namespace mayfly::broker
