#include "tools/broker/signal_queue.h"

#include <cerrno>
#include <sys/signalfd.h>
#include <system_error>
#include <unistd.h>

namespace mayfly::broker {

SignalQueue::SignalQueue() {
  sigset_t taken;
  sigemptyset(&taken);
  for (const int signal :
       {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGTSTP, SIGCHLD}) {
    sigaddset(&taken, signal);
  }
  queue_.reset(signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!queue_) throw std::system_error(errno, std::generic_category(), "signalfd");
  held_back_ = taken;
  sigaddset(&held_back_, SIGPIPE);
  sigaddset(&held_back_, SIGTTOU);
  sigprocmask(SIG_BLOCK, &held_back_, &original_mask_);
  // Our own parent may have us ignore it, and then nobody could wait for a child.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &standard, &original_child_action_);
}

SignalQueue::~SignalQueue() {
  static constexpr timespec kNoTime{};
  while (sigtimedwait(&held_back_, nullptr, &kNoTime) > 0) {
  }
  sigaction(SIGCHLD, &original_child_action_, nullptr);
  sigprocmask(SIG_SETMASK, &original_mask_, nullptr);
}

std::optional<Signal> SignalQueue::next() noexcept {
  signalfd_siginfo signal{};
  ssize_t size = 0;
  do {
    size = read(queue_.number(), &signal, sizeof signal);
  } while (size < 0 && errno == EINTR);
  if (size != sizeof signal) return std::nullopt;
  return Signal{static_cast<int>(signal.ssi_signo), static_cast<pid_t>(signal.ssi_pid),
                signal.ssi_code == SI_KERNEL};
}

bool is_ending(int signal) noexcept {
  return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
}

}  // namespace mayfly::broker
