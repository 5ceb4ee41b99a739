#include "tools/serve/served_task.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <utility>

#include "base/json_reader.h"
#include "base/jwk.h"
#include "base/log.h"
#include "tools/broker/use_report.h"
#include "tools/serve/caller.h"

namespace mayfly::serve {
namespace {

using broker::Message;
using broker::MessageKind;

// A PIN source may take 10 s, waiting for other workers to start another 10.
constexpr std::chrono::seconds kStartTime{60};
constexpr std::chrono::seconds kEndTime{15};
// Until a worker is started again for a task whose worker could not start.
constexpr std::chrono::seconds kStartPause{1};
// Of one task's keys: it must not take all places of the set from the others.
constexpr std::ptrdiff_t kMostPublished = 256;

}  // namespace

ServedTask::ServedTask(const TaskSurroundings& surroundings, TaskPlan plan, uid_t user,
                       std::optional<std::uint64_t> place)
    : surroundings_(surroundings),
      plan_(std::move(plan)),
      user_(user),
      place_(place),
      sockets_(surroundings.place, plan_.serial, user) {
  listen();
  surroundings_.metrics.task_opened();
  deadline_ =
      surroundings_.loop.at(plan_.deadline, [this] { end(TaskState::expired, std::string()); });
}

void ServedTask::listen() {
  p11kit_ = surroundings_.loop.watch(sockets_.p11kit().number(), [this] { knock(true); });
  agents_ = surroundings_.loop.watch(sockets_.agents().number(), [this] { knock(false); });
}

/// Somebody has connected while there is no worker.
void ServedTask::knock(bool is_p11kits) {
  const Descriptor& listening = is_p11kits ? sockets_.p11kit() : sockets_.agents();
  Descriptor first(accept4(listening.number(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!first) return;
  const std::optional<Caller> caller = caller_at(first.number());
  if (!caller || caller->peer.user != user_) {
    static log::LimitedLog log;
    log.warn([&] {
      return "refused a connection" + (caller ? " of " + caller->name() : std::string()) +
             " to task " + plan_.id + ": only user " + std::to_string(user_) +
             ", whose task this is, may connect";
    });
    return;
  }
  if (BootClock::now() < no_start_before_) return;
  start_worker(std::move(first), is_p11kits);
}

void ServedTask::start_worker(Descriptor first, bool is_p11kits) {
  const auto accepted = surroundings_.config();
  try {
    work_ = std::make_unique<Work>(broker::WorkerOrders{
        accepted->config.file.string(), accepted->text, plan_, user_, sockets_.p11kit().number(),
        sockets_.agents().number(), first.number(), is_p11kits});
  } catch (const std::system_error& error) {
    no_start_before_ = BootClock::now() + kStartPause;
    log::warn("no process could be started for task " + plan_.id, error);
    return;
  }
  p11kit_.stop();
  agents_.stop();
  wait_for_worker(kStartTime, "to open the device");
  work_->channel = surroundings_.loop.watch(work_->process.descriptor(), [this] { hear(); });
  surroundings_.worker_started(*this, work_->process.number());
}

void ServedTask::wait_for_worker(BootClock::duration time, const char* what) {
  work_->patience = surroundings_.loop.after(time, [this, what] {
    log::error("the worker of task " + plan_.id + " took too long " + what + " and is killed");
    ::kill(work_->process.number(), SIGKILL);
  });
}

/// Takes one message of the worker.
void ServedTask::hear() {
  if (const std::optional<Message> message = work_->process.receive()) {
    hear(*message);
  } else {
    work_->channel.stop();  // its process is about to end
  }
}

void ServedTask::hear(const Message& message) {
  switch (message.kind) {
    case MessageKind::ready:
      work_->is_ready = true;
      sockets_.leave_to_worker();
      work_->patience.stop();
      if (wanted_end_) wait_for_worker(kEndTime, "to end the task");
      break;
    case MessageKind::failed:
      log::error("task " + plan_.id + " can't be worked on: " + message.text);
      break;
    case MessageKind::moved:
      if (message.text.starts_with(plan_.serial)) hear_move(message);
      break;
    case MessageKind::key_made:
    case MessageKind::key_destroyed:
      hear_key(message);
      break;
    case MessageKind::used:
      hear_use(message.text);
      break;
    case MessageKind::ended:
      if (work_->told_end) work_->told_end->pending = message.pending;
      break;
    default:
      break;
  }
}

void ServedTask::hear_move(const Message& message) {
  const std::string_view key = std::string_view(message.text).substr(plan_.serial.size());
  if (ledger_key_.empty()) ledger_key_ = parse_hex(key).value_or(Bytes());
  if (message.state == TaskState::active) {
    if (state_ != TaskState::open) return;
    surroundings_.metrics.task_moved(state_, TaskState::active);
    state_ = TaskState::active;
    TaskMove move{plan_.serial, plan_.id, TaskState::active};
    move.ledger_key = ledger_key_;
    surroundings_.book.record(move);
    return;
  }
  if (!is_final(message.state) || work_->told_end) return;
  work_->told_end = TaskEnd{message.state, message.destroyed, message.pending};
  hide();
  when_hidden([this, end = *work_->told_end](bool) { record(end); });
  if (!wanted_end_) let_worker_end();
}

/// Keys are for others to know, as long as they live.
void ServedTask::hear_key(const Message& message) {
  const std::ptrdiff_t more = message.kind == MessageKind::key_made ? 1 : -1;
  // That a key was made may not have come through; that it is gone is told to others all the same.
  if (keys_ + more >= 0) {
    keys_ += more;
    surroundings_.metrics.keys_changed(more);
  }
  Liveness* const liveness = surroundings_.liveness;
  if (liveness == nullptr) return;
  if (message.kind == MessageKind::key_destroyed) {
    return liveness->key_destroyed(plan_.serial, message.text);
  }
  if (keys_ > kMostPublished) {
    static log::LimitedLog log;
    log.warn([&] {
      return "task " + plan_.id + " has " + std::to_string(keys_) +
             " keys, of which keys.json has " + std::to_string(kMostPublished);
    });
    return;
  }
  try {
    const nlohmann::json parsed = parse_json(message.text, message.text.size());
    JsonObject jwk(parsed, "the key");
    liveness->key_made(plan_.serial, read_jwk_key(jwk));
  } catch (const Error& error) {
    log::warn("a key of task " + plan_.id + " is not published", error);
  }
}

void ServedTask::hear_use(const std::string& report) {
  try {
    const Use now = broker::parse_use(report);
    surroundings_.metrics.used(use_, now);
    use_ = now;
  } catch (const Error& error) {
    log::warn("what the worker of task " + plan_.id + " says of its use makes no sense", error);
  }
}

/// Has others see that the task does not live any more.
void ServedTask::hide() {
  if (surroundings_.liveness != nullptr) surroundings_.liveness->ending(plan_.serial);
}

/// What says that the task has ended is said when others see it. These functions are called in
/// their order, the last of them before the task goes.
void ServedTask::when_hidden(Liveness::Told told) {
  if (surroundings_.liveness == nullptr) return told(true);
  surroundings_.liveness->when_published(std::move(told));
}

void ServedTask::let_worker_end() {
  const TaskState state = wanted_end_.value_or(TaskState::closed);
  work_->process.ask_to_end(state);
  // One that still opens the device is given the time for it: SoftHSM2's token may not survive a
  // death in the middle.
  if (work_->is_ready) wait_for_worker(kEndTime, "to end the task");
}

void ServedTask::end(TaskState state, const std::string& cause) {
  if (is_finishing_ || wanted_end_ || (work_ != nullptr && work_->told_end)) return;
  wanted_end_ = state;
  cause_ = cause;
  hide();
  if (work_ == nullptr) {
    finish({state});
  } else {
    let_worker_end();
  }
}

void ServedTask::child_ended(int wait_status) {
  work_->process.forget();
  // What it has said before comes first.
  while (work_->process.descriptor() >= 0) {
    const std::optional<Message> message = work_->process.receive();
    if (!message) break;
    hear(*message);
  }
  work_->channel.stop();
  if (work_->told_end) return finish(*work_->told_end);
  if (!work_->is_ready) {
    work_.reset();
    if (wanted_end_) return finish({*wanted_end_});
    no_start_before_ = BootClock::now() + kStartPause;
    return listen();
  }
  cause_ = "the process that held its keys ";
  cause_ += WIFSIGNALED(wait_status)
                ? "was ended by signal " + std::to_string(WTERMSIG(wait_status))
                : std::string("ended by itself");
  log::error("task " + plan_.id + " is lost: " + cause_);
  finish({TaskState::lost, 0, 0, true});
}

void ServedTask::record(const TaskEnd& end) {
  if (is_recorded_) return;
  is_recorded_ = true;
  surroundings_.metrics.task_moved(state_, end.state);
  state_ = end.state;
  TaskMove move{plan_.serial, plan_.id, end.state, end.destroyed, end.pending};
  if (end.state == wanted_end_ || end.state == TaskState::lost) move.cause = cause_;
  move.ledger_key = ledger_key_;
  surroundings_.book.record(move);
}

void ServedTask::finish(TaskEnd end) {
  is_finishing_ = true;
  surroundings_.metrics.keys_changed(-keys_);
  keys_ = 0;
  deadline_.stop();
  p11kit_.stop();
  agents_.stop();
  sockets_.remove();
  hide();
  when_hidden([this, end](bool is_true) mutable {
    end.may_seem_alive = !is_true;
    tell_end(end);
  });
}

void ServedTask::tell_end(const TaskEnd& end) {
  record(end);
  log::info("task " + plan_.id + " ended (" + to_string(end.state) + "), " +
            std::to_string(end.destroyed) + " keys destroyed" +
            (end.pending == 0 ? std::string()
                              : ", " + std::to_string(end.pending) + " still owed by the device"));
  surroundings_.ended(*this, end);
}

}  // namespace mayfly::serve
