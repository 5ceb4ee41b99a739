#include "tools/broker/guardian.h"

#include <cerrno>
#include <ctime>
#include <exception>
#include <poll.h>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "tools/broker/announcement.h"

namespace mayfly::broker {
namespace {

constexpr std::chrono::seconds kGrace{2};
constexpr std::chrono::seconds kStartTime{60};

/// Stops this process as Ctrl-Z does, and returns when it is continued, or at once if there is no
/// shell that could.
void stop() noexcept {
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, SIGTSTP);
  raise(SIGTSTP);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  sigprocmask(SIG_BLOCK, &only, nullptr);
}

}  // namespace

Guardian::Guardian(SignalQueue& signals)
    : signals_(signals),
      group_(getpgrp()),
      terminal_(group_),
      had_terminal_(terminal_.is_ours()),
      bystanders_(descendants()) {
  auto [ours, theirs] = ControlChannel::make_pair();
  adopt_orphans();
  supervisor_ = fork();
  if (supervisor_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (supervisor_ > 0) {
    channel_ = std::move(ours);
    return;
  }
  channel_ = std::move(theirs);
  ours.close();
  adopt_orphans();  // which is not inherited
  // So that a terminal's signals reach one of the two, who passes them on, and not both.
  setpgid(0, 0);
}

void Guardian::report_worker(pid_t worker) noexcept {
  Message message;
  message.kind = MessageKind::started;
  message.process = worker;
  channel_.send(message);
}

void Guardian::report_end() noexcept {
  Message message;
  message.kind = MessageKind::done;
  channel_.send(message);
}

std::optional<int> Guardian::receive_signal() {
  const std::optional<Message> message = channel_.receive();
  return message ? std::optional<int>(message->signal) : std::nullopt;
}

void Guardian::pass_on(int signal) noexcept {
  Message message;
  message.kind = MessageKind::signal;
  message.signal = signal;
  channel_.send(message);
  if (signal == SIGCONT) kill(supervisor_, SIGCONT);  // it may have been stopped itself
}

int Guardian::watch() {
  wait_for_children();
  while (!status_) {
    pollfd entry{signals_.descriptor(), POLLIN, 0};
    if (poll(&entry, 1, -1) < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "poll");
    }
    take_signals();
  }
  if (!ended_in_order()) clean_up();
  return *status_;
}

/// Does what a killed supervisor could not.
void Guardian::clean_up() {
  announce(
      "the process that supervised the task was killed; the task's keys can't be used any more, "
      "and "
      "its processes are ended now");
  has_cleaned_up_ = true;
  wait_for_worker();
  for (const std::string& process : end_descendants(kGrace, bystanders_)) {
    announce("process " + process + ", started by the command, can't be ended; end it by hand");
  }
  if (had_terminal_ && terminal_.is_nobodys()) terminal_.give_to(group_);
}

bool Guardian::ended_in_order() {
  while (channel_.wait(std::chrono::steady_clock::now())) {
    const std::optional<Message> message = channel_.receive();
    if (!message) break;
    // Who dies of a signal after that does so because the command did.
    if (message->kind == MessageKind::done) return true;
    worker_ = static_cast<pid_t>(message->process);
  }
  return WIFEXITED(*status_);
}

/// A worker dies with its supervisor, but not while it opens the device, which a SIGKILL in the
/// middle of could harm. Until it has done that, no command was started that could be waited for.
void Guardian::wait_for_worker() noexcept {
  static constexpr timespec kPause{0, 20'000'000};
  const auto deadline = std::chrono::steady_clock::now() + kStartTime;
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  while (worker_ > 0 && waitpid(worker_, nullptr, WNOHANG) == 0 &&
         std::chrono::steady_clock::now() < deadline) {
    sigtimedwait(&child, nullptr, &kPause);
  }
}

void Guardian::take_signals() {
  while (const auto signal = signals_.next()) {
    if (signal->number == SIGCHLD) {
      wait_for_children();
      if (status_) return;
    } else if (signal->number == SIGTSTP && signal->sender == supervisor_) {
      stop();  // the command was stopped, and the shell shall see it
      pass_on(SIGCONT);
    } else {
      pass_on(signal->number);
    }
  }
}

void Guardian::wait_for_children() noexcept {
  int status = 0;
  bool other_died = false;
  for (pid_t child = 0; (child = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (child == supervisor_) {
      status_ = status;
    } else {
      other_died = true;
    }
  }
  if (other_died && !status_) note_bystanders();
}

/// Whoever is our child while the supervisor lives did not come of the command, whose orphans are
/// the supervisor's: he was ours before, or is an orphan of one of those.
void Guardian::note_bystanders() noexcept {
  try {
    ProcessSet found = descendants(supervisor_);
    siginfo_t death{};
    const bool supervisor_lives =
        waitid(P_PID, static_cast<id_t>(supervisor_), &death, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        death.si_pid == 0;
    if (supervisor_lives) bystanders_.merge(found);
  } catch (const std::exception&) {  // those who are known stay known
  }
}

}  // namespace mayfly::broker
