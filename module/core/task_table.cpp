#include "core/task_table.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "base/log.h"
#include "base/safeguard.h"
#include "core/hosted_keeper.h"
#include "core/key_template.h"
#include "core/local_keeper.h"
#include "core/task_opening.h"

namespace mayfly {
namespace {

constexpr std::size_t kRememberedEvents = 1024;
// The condition variable's clock stands still while the machine sleeps; deadlines do not.
constexpr BootClock::duration kLongestNap = std::chrono::seconds(1);
constexpr BootClock::duration kBetweenOrders = std::chrono::seconds(1);

/// Whoever logs in learns nothing of why: not that a grant holds and somebody said no, either.
std::unique_ptr<Admission> admission_by_login(TaskBook& book, const TaskRequest& request) {
  try {
    return book.admit(request, nullptr);
  } catch (const Error& error) {
    if (error.rv() != CKR_FUNCTION_REJECTED) throw;
    throw Error(CKR_PIN_INCORRECT, error.what());
  }
}

/// The slot of the task that another process holds. It is the same whenever this process, or a
/// child that it forked, joins that task: libp11 goes on with the parent's number after a fork, and
/// waits for ever where there is no such slot. Sessions and objects have new numbers all the same.
SlotId slot_of_joined(std::string_view serial) {
  struct Joined {
    std::mutex mutex;
    std::array<char, sizeof(CK_TOKEN_INFO::serialNumber)> serial;
    SlotId slot;
  };
  // Nothing to destroy: clients start and finish from exit handlers, and unload the library.
  static_assert(std::is_trivially_destructible_v<Joined>);
  static Joined joined;
  const std::unique_lock lock(joined.mutex);
  if (std::string_view(joined.serial.data(), joined.serial.size()) != serial) {
    joined.slot = next_handle<SlotId>();
    serial.copy(joined.serial.data(), joined.serial.size());
  }
  return joined.slot;
}

}  // namespace

/// The ID of a task that is being opened, and its place among the most that there may be.
class TaskTable::Reservation {
 public:
  /// @throws Error CKR_FUNCTION_REJECTED, CKR_SESSION_COUNT
  Reservation(TaskTable& table, const std::string& id) : table_(table), id_(id) {
    const std::unique_lock lock(table_.mutex_);
    if (table_.ids_.contains(id)) {
      throw Error(CKR_FUNCTION_REJECTED, "task " + id + " is open already");
    }
    if (table_.ids_.size() >= table_.limits_.max_tasks) {
      throw Error(CKR_SESSION_COUNT, "too many open tasks; see limits.tasks");
    }
    table_.ids_.insert(id);
  }
  ~Reservation() {
    if (is_used_) return;
    const std::unique_lock lock(table_.mutex_);
    table_.ids_.erase(id_);
  }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

  /// The ID is the task's from now on, which frees it with its end.
  void use() noexcept { is_used_ = true; }

 private:
  TaskTable& table_;
  const std::string id_;
  bool is_used_ = false;
};

TaskTable::TaskTable(Device& device, TaskLimits limits, LoginFactory make_login,
                     std::shared_ptr<TaskBook> book)
    : device_(device),
      limits_(std::move(limits)),
      make_login_(std::move(make_login)),
      book_(std::move(book)),
      next_deadline_(BootClock::time_point::max().time_since_epoch().count()) {}

void TaskTable::require_own_tasks() const {
  if (!is_hosted()) return;
  throw Error(CKR_FUNCTION_NOT_SUPPORTED, "the broker opens tasks, not its clients");
}

std::shared_ptr<Task> TaskTable::open(const TaskRequest& request,
                                      const std::shared_ptr<Task>& parent) {
  require_own_tasks();
  obey_orders();
  if (parent != nullptr) parent->ledger().require_written();
  PlannedTask planned =
      plan_task(limits_, static_cast<bool>(make_login_), *book_, request, parent.get());
  device_.retry_pending();
  // What can be refused is refused before the grant is spent.
  Reservation reservation(*this, planned.plan.id);
  planned.record(parent.get());
  TaskMove failure{planned.plan.serial, planned.plan.id, TaskState::closed};
  failure.cause = "it could not be opened after all";
  try {
    return insert(std::move(planned.plan), parent, reservation);
  } catch (...) {
    if (planned.admission != nullptr) book_->record(failure);
    throw;
  }
}

std::shared_ptr<Task> TaskTable::open_planned(TaskPlan plan) {
  require_own_tasks();
  if (plan.policy.login_required && !make_login_) {
    throw Error(CKR_FUNCTION_REJECTED, "task " + plan.id +
                                           " was planned with a login, and there is no PIN for it "
                                           "any more; see login.pin-source");
  }
  Reservation reservation(*this, plan.id);
  return insert(std::move(plan), nullptr, reservation);
}

std::shared_ptr<Task> TaskTable::insert(TaskPlan plan, const std::shared_ptr<Task>& parent,
                                        Reservation& reservation) {
  auto task = std::make_shared<Task>(std::move(plan), next_handle<SlotId>(),
                                     make_login_ ? make_login_() : nullptr,
                                     std::make_unique<LocalKeeper>(), device_, parent, owner());
  task->objects().add(make_task_object(*task));
  if (limits_.ledger) task->keep_ledger(*limits_.ledger);
  reservation.use();
  try {
    if (parent != nullptr) parent->adopt(task);
    show(task);
  } catch (...) {
    // Another thread may be ending it with the one above: it has to do with this table until then.
    if (!task->end(TaskState::closed)) task->wait_for_end();
    throw;
  }
  return task;
}

std::shared_ptr<Task> TaskTable::join(HostedTask hosted) {
  check_task_id(hosted.id);
  Reservation reservation(*this, hosted.id);
  TaskPlan plan{std::move(hosted.id), std::move(hosted.serial), hosted.deadline,
                on_the_wall(hosted.deadline), std::move(hosted.policy)};
  const SlotId slot = slot_of_joined(plan.serial);
  auto task = std::make_shared<Task>(std::move(plan), slot, nullptr,
                                     std::make_unique<HostedKeeper>(hosted.host), device_, nullptr,
                                     owner());
  reservation.use();
  show(task);
  host_ = std::move(hosted.host);
  return task;
}

/// Lets the task's token appear.
void TaskTable::show(const std::shared_ptr<Task>& task) {
  std::string story = "task " + task->id() + " opened, token serial " + task->serial();
  if (task->parent() != nullptr) story += ", below task " + task->parent()->id();
  if (task->origin().granted()) {
    story += ", for " + task->origin().agent + " by grant " + task->origin().grant_id +
             " of approver " + task->origin().approver;
  }
  if (task->awaits_grant()) story += "; it awaits its grant";
  {
    const std::unique_lock lock(mutex_);
    // The task above may have ended by now, and this one with it.
    if (is_final(task->state())) {
      throw Error(CKR_DEVICE_REMOVED, "task " + task->id() + " ended with the one above it");
    }
    try {
      tasks_.emplace(task->slot(), task);
      by_deadline_.emplace(task->deadline(), task->slot());
    } catch (...) {
      forget(*task);
      throw;
    }
    update_next_deadline();
    announce(task->slot());
  }
  log::info(story);
}

void TaskTable::admit(Task& task, ByteView grant) {
  TaskRequest request{task.id(), std::nullopt};
  if (grant.size() > SecretBuffer::kMaxSize) {
    throw Error(CKR_PIN_INCORRECT, "the PIN is longer than any grant");
  }
  request.grant = std::make_shared<const SecretBuffer>(grant);
  const std::unique_ptr<Admission> admission = admission_by_login(*book_, request);
  TaskPlan plan = plan_with(task, admission->terms());
  admission->record({plan.serial, plan.id, "", plan.deadline_unix_s});
  log::info("task " + task.id() + " goes on for " + plan.origin.agent + " by grant " +
            plan.origin.grant_id + " of approver " + plan.origin.approver);
  task.ledger().owe_admission(plan);
  {
    const std::unique_lock lock(mutex_);
    forget_deadline(task);
    task.confine(std::move(plan));
    if (tasks_.contains(task.slot())) by_deadline_.emplace(task.deadline(), task.slot());
    update_next_deadline();
  }
  // One that ended meanwhile had no record to end.
  if (is_final(task.state())) note(task, {});
}

void TaskTable::obey(const std::vector<std::string>& ordered) noexcept {
  for (const std::string& serial : ordered) {
    std::shared_ptr<Task> task;
    {
      const std::shared_lock lock(mutex_);
      const auto found = std::ranges::find_if(
          tasks_, [&](const auto& entry) { return entry.second->serial() == serial; });
      if (found != tasks_.end()) task = found->second;
    }
    if (task != nullptr) task->end(TaskState::revoked);
  }
}

std::shared_ptr<Task> TaskTable::find(SlotId slot) const {
  const std::shared_lock lock(mutex_);
  const auto found = tasks_.find(slot);
  return found == tasks_.end() ? nullptr : found->second;
}

std::vector<SlotId> TaskTable::slots() const {
  const std::shared_lock lock(mutex_);
  std::vector<SlotId> result;
  result.reserve(tasks_.size());
  for (const auto& [slot, task] : tasks_) result.push_back(slot);
  return result;
}

bool TaskTable::ended_lately(SlotId slot) const {
  const std::shared_lock lock(mutex_);
  return !tasks_.contains(slot) && std::ranges::any_of(events_, [slot](const SlotEvent& event) {
    return event.slot == slot;
  });
}

std::optional<EndReport> TaskTable::end(SlotId slot, TaskState cause) noexcept {
  const std::shared_ptr<Task> task = find(slot);
  if (task == nullptr) return std::nullopt;
  const auto report = task->end(cause);
  device_.retry_pending();
  return report;
}

EndReport TaskTable::end_all(TaskState cause) noexcept {
  EndReport total;
  while (true) {
    std::shared_ptr<Task> task;
    {
      const std::shared_lock lock(mutex_);
      if (tasks_.empty()) return total;
      task = tasks_.begin()->second;
    }
    if (const auto report = task->end(cause)) {
      total.add(*report);
    } else {
      std::shared_lock lock(mutex_);  // another thread is ending it
      event_arrived_.wait(lock, [&] { return !tasks_.contains(task->slot()); });
    }
  }
}

void TaskTable::expire(BootClock::time_point now) noexcept {
  if (!kept(Safeguard::deadline)) return;
  while (true) {
    std::shared_ptr<Task> task;
    {
      const std::shared_lock lock(mutex_);
      const auto first = by_deadline_.begin();
      if (first == by_deadline_.end() || first->first > now) break;
      task = tasks_.at(first->second);
    }
    if (!task->end(TaskState::expired)) return;  // another thread is at it
  }
  device_.retry_pending();
}

void TaskTable::follow_host() noexcept {
  if (const auto cause = host_->end()) end_all(*cause);
}

void TaskTable::look_after_host() noexcept {
  if (host_ == nullptr) return;
  host_->look_after();
  follow_host();
}

void TaskTable::note(const Task& task, const EndReport& report) noexcept {
  try {
    TaskMove move{task.serial(), task.id(), task.state(), report.destroyed, report.pending};
    move.ledger_key = task.ledger().public_key();
    book_->record(move);
  } catch (const std::bad_alloc&) {
    log::error("the state of a task could not be recorded, since no memory is left");
  }
}

void TaskTable::task_active(const Task& task) noexcept {
  if (!is_hosted()) note(task, {});
}

void TaskTable::task_ended(const Task& task, const EndReport& report) noexcept {
  {
    const std::unique_lock lock(mutex_);
    forget(task);
    announce(task.slot());
  }
  if (!is_hosted() && !task.awaits_grant()) note(task, report);
  try {
    std::string story = "task " + task.id() + " ended (" + to_string(task.state()) + ")";
    // A host destroys its keys, and tells of it.
    if (!is_hosted()) story += ", " + std::to_string(report.destroyed) + " keys destroyed";
    if (report.pending == 0) {
      log::info(story);
    } else {
      log::error(story + ", " + std::to_string(report.pending) +
                 " still owed by the device; they can't be used, their destruction is retried");
    }
  } catch (const std::bad_alloc&) {  // the line is lost, the keys are not
  }
}

void TaskTable::forget(const Task& task) noexcept {
  tasks_.erase(task.slot());
  ids_.erase(task.id());
  forget_deadline(task);
  update_next_deadline();
}

void TaskTable::forget_deadline(const Task& task) noexcept {
  const auto [first, last] = by_deadline_.equal_range(task.deadline());
  for (auto entry = first; entry != last; ++entry) {
    if (entry->second != task.slot()) continue;
    by_deadline_.erase(entry);
    break;
  }
}

void TaskTable::announce(SlotId slot) noexcept {
  try {
    events_.push_back({++event_count_, slot});
    if (events_.size() > kRememberedEvents) events_.pop_front();
  } catch (const std::bad_alloc&) {  // an event that nobody hears of
  }
  event_arrived_.notify_all();
}

void TaskTable::update_next_deadline() noexcept {
  const auto next =
      by_deadline_.empty() ? BootClock::time_point::max() : by_deadline_.begin()->first;
  next_deadline_.store(next.time_since_epoch().count());
}

std::uint64_t TaskTable::last_event() const {
  const std::shared_lock lock(mutex_);
  return event_count_;
}

std::optional<TaskTable::SlotEvent> TaskTable::event_after(std::uint64_t seen) const {
  const std::shared_lock lock(mutex_);
  for (auto event = events_.begin(); event != events_.end(); ++event) {
    if (event->number <= seen) continue;
    // What happened to a slot since is one event, however much it was.
    const bool again = std::any_of(std::next(event), events_.end(), [&](const SlotEvent& later) {
      return later.slot == event->slot;
    });
    if (!again) return *event;
  }
  return std::nullopt;
}

std::optional<TaskTable::SlotEvent> TaskTable::wait_for_event(std::uint64_t seen) {
  while (true) {
    {
      std::shared_lock lock(mutex_);
      const auto ready = [&] {
        return waiting_stopped_ || (!events_.empty() && events_.back().number > seen);
      };
      // Deadlines are not met by a thread of their own, so the waiter wakes up for them.
      const auto now = BootClock::now();
      const auto pause = std::clamp<BootClock::duration>(next_deadline() - now,
                                                         std::chrono::milliseconds(1), kLongestNap);
      event_arrived_.wait_for(lock, pause, ready);
      if (waiting_stopped_) return std::nullopt;
    }
    if (const auto event = event_after(seen)) return event;
    look_after_host();
    obey_orders();
    end_due(BootClock::now());
  }
}

void TaskTable::look_for_orders(BootClock::time_point now) noexcept {
  BootClock::rep due = next_orders_.load();
  const BootClock::rep next = (now + kBetweenOrders).time_since_epoch().count();
  if (now.time_since_epoch().count() < due || !next_orders_.compare_exchange_strong(due, next)) {
    return;  // another thread looks
  }
  obey(book_->ordered_in_passing());
}

void TaskTable::stop_waiting() {
  {
    const std::unique_lock lock(mutex_);
    waiting_stopped_ = true;
  }
  event_arrived_.notify_all();
}

}  // namespace mayfly
