#include "core/task_table.h"

#include <algorithm>
#include <mutex>
#include <new>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "core/hosted_keeper.h"
#include "core/key_template.h"
#include "core/local_keeper.h"

namespace mayfly {
namespace {

constexpr std::size_t kRememberedEvents = 1024;
// The condition variable's clock stands still while the machine sleeps; deadlines do not.
constexpr BootClock::duration kLongestNap = std::chrono::seconds(1);

std::string random_serial() { return random_hex(8, "a serial number"); }

}  // namespace

TaskTable::TaskTable(Device& device, TaskLimits limits, LoginFactory make_login)
    : device_(device),
      limits_(limits),
      make_login_(std::move(make_login)),
      next_deadline_(BootClock::time_point::max().time_since_epoch().count()) {}

void TaskTable::check_may_open(const TaskPolicy& policy, const TaskRequest& request) const {
  if (!policy.openers.empty())
    check_opener(policy, request.opener ? *request.opener : Peer::self());
  if (policy.grant_required && !request.granted) {
    throw Error(CKR_FUNCTION_REJECTED, "the policy wants a grant for the task, and none was given");
  }
  if (policy.login_required && !make_login_) {
    throw Error(CKR_FUNCTION_REJECTED,
                "the policy wants a login for the task, and there is no PIN for it; see "
                "login.pin-source");
  }
}

std::shared_ptr<Task> TaskTable::open(const TaskRequest& request) {
  if (is_hosted()) {
    throw Error(CKR_FUNCTION_NOT_SUPPORTED, "the broker opens tasks, not its clients");
  }
  check_task_id(request.id);
  TaskPolicy policy = tighter(limits_.policy, request.policy);
  check_may_open(policy, request);
  const auto most = std::min(limits_.max_ttl, policy.max_ttl);
  const auto ttl = request.ttl.value_or(std::min(limits_.default_ttl, most));
  check_ttl(ttl, most);
  device_.retry_pending();
  const auto deadline = BootClock::now() + ttl;
  auto task =
      std::make_shared<Task>(Task::Identity{request.id, random_serial(), next_handle<SlotId>()},
                             deadline, std::move(policy), make_login_ ? make_login_() : nullptr,
                             std::make_unique<LocalKeeper>(), device_, listener());
  task->objects().add(make_task_object(*task));
  insert(task);
  return task;
}

std::shared_ptr<Task> TaskTable::join(HostedTask hosted) {
  check_task_id(hosted.id);
  auto task = std::make_shared<Task>(
      Task::Identity{std::move(hosted.id), std::move(hosted.serial), next_handle<SlotId>()},
      hosted.deadline, hosted.policy, nullptr, std::make_unique<HostedKeeper>(hosted.host), device_,
      listener());
  insert(task);
  host_ = std::move(hosted.host);
  return task;
}

Task::EndListener TaskTable::listener() {
  return [this](const Task& ended, const EndReport& report) { task_ended(ended, report); };
}

void TaskTable::insert(const std::shared_ptr<Task>& task) {
  const std::string story = "task " + task->id() + " opened, token serial " + task->serial();
  {
    const std::unique_lock lock(mutex_);
    if (by_id_.contains(task->id())) {
      throw Error(CKR_FUNCTION_REJECTED, "task " + task->id() + " is open already");
    }
    if (tasks_.size() >= limits_.max_tasks) {
      throw Error(CKR_SESSION_COUNT, "too many open tasks; see limits.tasks");
    }
    try {
      tasks_.emplace(task->slot(), task);
      by_id_.emplace(task->id(), task->slot());
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

void TaskTable::task_ended(const Task& task, const EndReport& report) noexcept {
  {
    const std::unique_lock lock(mutex_);
    forget(task);
    announce(task.slot());
  }
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
  by_id_.erase(task.id());
  const auto [first, last] = by_deadline_.equal_range(task.deadline());
  for (auto entry = first; entry != last; ++entry) {
    if (entry->second != task.slot()) continue;
    by_deadline_.erase(entry);
    break;
  }
  update_next_deadline();
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
    end_due(BootClock::now());
  }
}

void TaskTable::stop_waiting() {
  {
    const std::unique_lock lock(mutex_);
    waiting_stopped_ = true;
  }
  event_arrived_.notify_all();
}

}  // namespace mayfly
