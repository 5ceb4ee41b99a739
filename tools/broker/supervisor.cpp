#include "tools/broker/supervisor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <poll.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/safeguard.h"
#include "compose/grant_file.h"
#include "tools/broker/announcement.h"
#include "tools/broker/child_link.h"
#include "tools/broker/child_process.h"
#include "tools/broker/command_environment.h"
#include "tools/broker/command_process.h"
#include "tools/broker/descendants.h"
#include "tools/broker/device_sweep.h"
#include "tools/broker/guardian.h"
#include "tools/broker/own_library.h"
#include "tools/broker/pin_descriptors.h"
#include "tools/broker/runtime_folder.h"
#include "tools/broker/signal_queue.h"
#include "tools/broker/worker_process.h"
#include "tools/failure.h"

namespace mayfly::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A PIN source may take 10 s, waiting for other workers to start another 10.
constexpr std::chrono::seconds kStartTime{60};
constexpr std::chrono::seconds kEndTime{15};
constexpr std::chrono::seconds kSweepTime{60};
constexpr std::chrono::seconds kGrace{2};

/// Closes what PINs are read from. Standard output and error may be the command's as well.
void close_pin_descriptors(const std::vector<int>& descriptors) noexcept {
  for (const int descriptor : descriptors) {
    set_close_on_exec(descriptor, true);
    if (descriptor > STDERR_FILENO) close(descriptor);
  }
}

std::chrono::seconds time_to_start(const Config& config) {
  const bool asks = !config.approval.command.empty();
  return kStartTime + (asks ? config.approval.timeout : std::chrono::seconds(0));
}

/// A worker of our own, or, inside a task, the worker of that one.
std::unique_ptr<TaskServer> start_server(const Config& config, const RunRequest& request,
                                         const RuntimeFolder& folder, Descriptor grant,
                                         const std::vector<int>& pin_descriptors) {
  Descriptor p11kit = request.module_only ? Descriptor() : folder.listen_for_p11kit();
  Descriptor agents = folder.listen_for_agents();
  if (!request.above.empty()) {
    return std::make_unique<ChildLink>(request.above, request, std::move(p11kit), std::move(agents),
                                       std::move(grant));
  }
  return std::make_unique<WorkerProcess>(config, request, std::move(p11kit), std::move(agents),
                                         std::move(grant), pin_descriptors);
}

/// Supervisor models one run, from the first check to the last process.
class Supervisor {
 public:
  Supervisor(const Config& config, const RunRequest& request, Descriptor grant,
             const std::vector<int>& pin_descriptors, Guardian& guardian, SignalQueue& signals);

  int run();

 private:
  [[nodiscard]] int run_command();
  [[nodiscard]] std::optional<int> wait_until_ready();
  void hear_start();
  void start_command();
  void watch_command();
  void hear_guardian();
  void take_signals();
  void pass_on(int signal);
  void wait_for_children();
  void hear_worker();
  void worker_is_gone(const std::string& how);
  void above_is_gone();
  void sweep_device();
  void finish_sweep();
  void end();
  void end_task();
  void leave_device();
  void end_processes();
  void announce(const std::string& sentence) const;

  const Config& config_;
  const RunRequest& request_;
  Guardian& guardian_;
  SignalQueue& signals_;
  RuntimeFolder folder_;
  const std::unique_ptr<TaskServer> worker_;
  const std::chrono::seconds start_time_;
  const steady_clock::time_point start_deadline_;
  bool is_ready_ = false;
  std::unique_ptr<CommandProcess> command_;
  std::optional<int> command_status_;
  std::unique_ptr<DeviceSweep> sweep_;
};

Supervisor::Supervisor(const Config& config, const RunRequest& request, Descriptor grant,
                       const std::vector<int>& pin_descriptors, Guardian& guardian,
                       SignalQueue& signals)
    : config_(config),
      request_(request),
      guardian_(guardian),
      signals_(signals),
      folder_(config.broker),
      worker_(start_server(config, request, folder_, std::move(grant), pin_descriptors)),
      start_time_(time_to_start(config)),
      start_deadline_(steady_clock::now() + start_time_) {
  if (worker_->number() > 0) guardian_.report_worker(worker_->number());
  close_pin_descriptors(pin_descriptors);  // the worker has its own by now
}

int Supervisor::run() {
  try {
    const int status = run_command();
    end();
    return status;
  } catch (...) {
    end();
    throw;
  }
}

void Supervisor::end() {
  end_task();
  finish_sweep();
  end_processes();
}

/// @return how the command ended, or the signal that came before it was started.
int Supervisor::run_command() {
  if (const auto signal = wait_until_ready()) return *signal;
  start_command();
  watch_command();
  return *command_status_;
}

/// Waits for the worker. @return an ending signal that came meanwhile; SIGKILL if the guardian
/// died.
std::optional<int> Supervisor::wait_until_ready() {
  if (worker_->was_ready()) {
    is_ready_ = true;
    return std::nullopt;
  }
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(start_deadline_ - steady_clock::now());
    std::array<pollfd, 3> entries{{{worker_->descriptor(), POLLIN, 0},
                                   {signals_.descriptor(), POLLIN, 0},
                                   {guardian_.descriptor(), POLLIN, 0}}};
    const int ready = poll(entries.data(), entries.size(),
                           static_cast<int>(std::max(left, milliseconds(0)).count()));
    if (ready == 0) {
      throw Error(CKR_DEVICE_ERROR, "the device was not opened after " +
                                        std::to_string(start_time_.count()) +
                                        " s; see what it waits for with: mayfly doctor");
    }
    if (entries[0].revents != 0) {
      hear_start();
      return std::nullopt;
    }
    if (entries[2].revents != 0) {
      const int signal = guardian_.receive_signal().value_or(SIGKILL);
      if (signal == SIGKILL || is_ending(signal)) return signal;
    }
    while (signals_.next()) {  // what is for us comes from the guardian
    }
  }
}

void Supervisor::hear_start() {
  const std::optional<Message> message = worker_->receive();
  if (!message) {
    throw Error(CKR_FUNCTION_FAILED,
                "the process that opens the device died, perhaps of a fault in " +
                    config_.device.module.string() + "; try: mayfly doctor");
  }
  if (message->kind == MessageKind::grant_refused) {
    throw tools::Failure(tools::kGrantRefused, message->text);
  }
  if (message->kind != MessageKind::ready) throw Error(message->rv, message->text);
  is_ready_ = true;
}

void Supervisor::start_command() {
  folder_.write_p11kit_configs(!request_.module_only, find_own_library());
  std::vector<std::string> environment = command_environment(request_, folder_);
  if (!kept(Safeguard::command_secrets)) {
    const SecretBuffer pin = config_.login.pin_source.value().read();
    environment.push_back("LOGIN_PIN=" + std::string(as_text(pin.view())));
  }
  command_ = std::make_unique<CommandProcess>(request_.command, std::move(environment), signals_,
                                              guardian_.group());
}

void Supervisor::watch_command() {
  wait_for_children();  // of whom a signal may have been taken already
  while (!command_status_) {
    std::array<pollfd, 3> entries{{{signals_.descriptor(), POLLIN, 0},
                                   {worker_->descriptor(), POLLIN, 0},
                                   {guardian_.descriptor(), POLLIN, 0}}};
    if (poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "poll");
    }
    if (entries[1].revents != 0) hear_worker();
    if (entries[0].revents != 0) take_signals();
    if (entries[2].revents != 0 && !command_status_) hear_guardian();
  }
}

void Supervisor::hear_guardian() {
  if (const auto signal = guardian_.receive_signal()) {
    pass_on(*signal);
  } else {
    // Whoever kills mayfly means the task. The command is ended with all that came of it.
    if (kept(Safeguard::command_end)) command_status_ = SIGKILL;
  }
}

void Supervisor::take_signals() {
  while (const auto signal = signals_.next()) {
    if (signal->number == SIGCHLD) {
      wait_for_children();
      if (command_status_) return;
    } else if (signal->by_kernel) {
      pass_on(signal->number);
    }  // else its sender has sent it to the guardian as well, from where it comes once
  }
}

void Supervisor::pass_on(int signal) {
  if (signal == SIGCONT) {
    command_->continued();
  } else {
    command_->pass_on(signal);
  }
}

void Supervisor::wait_for_children() {
  int status = 0;
  for (pid_t child = 0; (child = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;) {
    if (WIFSTOPPED(status)) {
      if (child == command_->number()) command_->stopped();
    } else if (child == command_->number()) {
      if (kept(Safeguard::command_end)) command_status_ = status;
    } else if (child == worker_->number()) {
      worker_->forget();
      worker_is_gone(WIFSIGNALED(status) ? "was ended by signal " + std::to_string(WTERMSIG(status))
                                         : "ended by itself");
    } else if (sweep_ != nullptr && child == sweep_->number()) {
      sweep_->has_ended(status);
      finish_sweep();
    }  // else an orphan that we adopted
  }
}

void Supervisor::hear_worker() {
  const std::optional<Message> message = worker_->receive();
  if (!message) {
    // Of a process of our own we hear when it is waited for.
    if (worker_->is_gone()) above_is_gone();
    return;
  }
  const char* what = nullptr;
  if (message->kind == MessageKind::expired) {
    what = " has reached its deadline; ";
  } else if (message->kind == MessageKind::exhausted) {
    what = " has made the last signature that its policy allows; ";
  } else if (message->kind == MessageKind::revoked) {
    what = " was revoked; ";
  } else {
    return;
  }
  announce("task " + request_.task_id + what +
           (message->pending == 0
                ? "its keys are destroyed"
                : std::to_string(message->pending) +
                      " of its keys can't be used any more, but the device has not confirmed their "
                      "destruction; it is tried again"));
}

void Supervisor::worker_is_gone(const std::string& how) {
  folder_.remove_sockets();
  announce("task " + request_.task_id + " is lost: the process that held its keys " + how +
           (config_.device.stored_keys ? "; its keys are looked for on the device"
                                       : "; the keys are gone") +
           ", a command that still runs goes on without them");
  sweep_device();
}

void Supervisor::above_is_gone() {
  folder_.remove_sockets();
  announce(
      "task " + request_.task_id +
      " has ended with the one above it, or that one's worker died; its keys can't be used any "
      "more, a command that still runs goes on without them");
}

/// Sees to it that nothing of a worker that did not end in order stays on the device.
void Supervisor::sweep_device() {
  if (!config_.device.stored_keys || sweep_ != nullptr) return;
  if (!kept(Safeguard::device_cleanup)) return;
  try {
    sweep_ = std::make_unique<DeviceSweep>(config_);
  } catch (const std::system_error& error) {
    announce("keys may be left on the device (" + std::string(error.what()) +
             "); run: mayfly reap");
  }
}

/// Tells what came of it, once.
void Supervisor::finish_sweep() {
  if (sweep_ == nullptr) return;
  sweep_->wait(kSweepTime);
  announce(sweep_->succeeded()
               ? "what task " + request_.task_id + " had left on the device is destroyed"
               : "keys of task " + request_.task_id +
                     " may be left on the device; run: mayfly reap");
  sweep_.reset();
}

void Supervisor::end_task() {
  if (worker_->is_gone()) return;
  if (!is_ready_) {
    leave_device();
    return;
  }
  const WorkerEnd end = worker_->end(kEndTime);
  if (end.how == WorkerEnd::How::died && worker_->was_ready()) {
    above_is_gone();
  } else if (end.how == WorkerEnd::How::died) {
    worker_is_gone("died");
  } else if (end.how == WorkerEnd::How::killed) {
    announce("the end of task " + request_.task_id + " was not confirmed after " +
             std::to_string(kEndTime.count()) +
             " s; the process that held its keys was killed, look at the device");
    sweep_device();
  } else if (end.pending != 0) {
    announce(std::to_string(end.pending) + " keys of task " + request_.task_id +
             " can't be used any more, but the device has not confirmed their destruction; look at "
             "the device");
    sweep_device();
  }
}

/// A worker that opens the device is not killed as long as there is hope that it comes to an end:
/// SoftHSM2's token does not survive that in each case.
void Supervisor::leave_device() {
  const auto left = std::chrono::ceil<milliseconds>(start_deadline_ - steady_clock::now());
  if (worker_->end(std::max(left, milliseconds(0))).how == WorkerEnd::How::killed) {
    announce("the process that opens the device did not come to an end within " +
             std::to_string(start_time_.count()) + " s and was killed; look at the device");
  }
}

void Supervisor::end_processes() {
  for (const std::string& process : end_descendants(kGrace)) {
    announce("process " + process + ", started by the command, can't be ended; end it by hand");
  }
}

/// Tells the user, and the log where that is a file.
void Supervisor::announce(const std::string& sentence) const {
  broker::announce(sentence);
  if (!config_.log.file.empty()) log::warn(sentence);
}

Descriptor open_grant(const RunRequest& request) {
  if (request.grant_file.empty()) return {};
  try {
    return open_grant_file(request.grant_file);
  } catch (const Error& error) {
    throw tools::Failure(tools::kNoInput, error.what());
  }
}

/// What the guardian does for a killed supervisor whose worker died with it.
void sweep_after(const Config& config) noexcept {
  try {
    DeviceSweep sweep(config);
    sweep.wait(kSweepTime);
    if (sweep.succeeded()) {
      announce("what the task had left on the device is destroyed");
      return;
    }
  } catch (const std::exception&) {  // no process could be had for it
  }
  announce("keys of the task may be left on the device; run: mayfly reap");
}

}  // namespace

int run(const Config& config, const RunRequest& request) {
  check(request, config);
  // First of all, while the numbers above standard error are those that we were given.
  const std::vector<int> descriptors = pin_descriptors(config);
  Descriptor grant = open_grant(request);
  try {
    log::configure(config.log.level, config.log.file.string());
  } catch (const Error& error) {
    throw tools::Failure(tools::kBadConfiguration, error.what());
  }
  SignalQueue signals;
  Guardian guardian(signals);
  if (!guardian.is_supervisor()) {
    close_pin_descriptors(descriptors);
    grant.reset();
    const int status = guardian.watch();
    if (guardian.has_cleaned_up() && config.device.stored_keys) sweep_after(config);
    return status;
  }
  const int status =
      Supervisor(config, request, std::move(grant), descriptors, guardian, signals).run();
  guardian.report_end();
  return status;
}

}  // namespace mayfly::broker
