// The tasks of one process.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/open_book.h"
#include "core/task.h"
#include "core/task_book.h"
#include "core/task_host.h"
#include "core/task_limits.h"
#include "core/task_request.h"

namespace mayfly {

/// A task that another process holds.
struct HostedTask {
  std::string id;
  std::string serial;
  BootClock::time_point deadline;
  TaskPolicy policy;
  std::shared_ptr<TaskHost> host;
};

/// TaskTable holds the open tasks over one device and is the only way to open and to end one.
class TaskTable final : private TaskOwner {
 public:
  /// Makes the login of a new task.
  using LoginFactory = std::function<std::unique_ptr<Login>()>;

  /// @param make_login  May be empty when the policy requires no login.
  /// @param book        What has the say on grants, and records the tasks.
  TaskTable(Device& device, TaskLimits limits, LoginFactory make_login,
            std::shared_ptr<TaskBook> book = std::make_shared<OpenBook>());

  /// Opens a task: a token appears in a new slot.
  /// @param parent  The task above, of this table; null for none.
  /// @throws Error as plan_task(), Admission::record() and open_planned().
  std::shared_ptr<Task> open(const TaskRequest& request,
                             const std::shared_ptr<Task>& parent = nullptr);

  /// Opens a task that was planned and recorded elsewhere, by the process that gives this one its
  /// orders.
  /// @throws Error CKR_FUNCTION_REJECTED if a task of that ID is open, or wants a login for which
  /// there
  ///         is no PIN; CKR_SESSION_COUNT at the limit; CKR_FUNCTION_NOT_SUPPORTED where tasks are
  ///         hosted.
  std::shared_ptr<Task> open_planned(TaskPlan plan);

  /// Takes in a task that another process holds: its token appears in a new slot, or in the one
  /// where this process, or one that forked it, had it last. From then on tasks are opened and
  /// ended there, and a table has one of these at most.
  /// @throws Error as open().
  std::shared_ptr<Task> join(HostedTask task);
  [[nodiscard]] bool is_hosted() const noexcept { return host_ != nullptr; }

  /// The open task in a slot, or null.
  [[nodiscard]] std::shared_ptr<Task> find(SlotId slot) const;
  /// Slots of open tasks, oldest first.
  [[nodiscard]] std::vector<SlotId> slots() const;
  /// Whether a task that has ended was in the slot, as far as that is remembered.
  [[nodiscard]] bool ended_lately(SlotId slot) const;

  /// Ends one task. Nothing if no task is open in the slot.
  std::optional<EndReport> end(SlotId slot, TaskState cause) noexcept;
  EndReport end_all(TaskState cause) noexcept;

  /// Ends the tasks whose deadline has come. Costs one comparison when none has.
  void expire_due(BootClock::time_point now) noexcept {
    if (now >= next_deadline()) expire(now);
  }
  /// The same, and ends a task that its host has ended.
  void end_due(BootClock::time_point now) noexcept {
    expire_due(now);
    if (host_ != nullptr) follow_host();
  }
  /// Ends the tasks that an operator has ordered to end. Costs a look at the registry every second.
  void obey_orders() noexcept { obey(book_->ordered_to_end()); }
  /// The same at any call, also one that signs: it waits for a moment at most. Costs one comparison
  /// but for every second.
  void obey_due_orders(BootClock::time_point now) noexcept {
    if (now.time_since_epoch().count() >= next_orders_.load(std::memory_order_relaxed)) {
      look_for_orders(now);
    }
  }
  /// Ends those of its tasks that are among the serials.
  void obey(const std::vector<std::string>& ordered) noexcept;

  /// A table over the same device, limits, login and book, for tasks that clients of this one must
  /// not meet. It must go before the device does.
  [[nodiscard]] std::unique_ptr<TaskTable> make_beside() const {
    return std::make_unique<TaskTable>(device_, limits_, make_login_, book_);
  }
  /// Notices a host that is gone without a word. Costs a system call where there is a host.
  void look_after_host() noexcept;
  /// The earliest deadline of all open tasks; time_point::max() if there is none.
  [[nodiscard]] BootClock::time_point next_deadline() const noexcept {
    return BootClock::time_point(BootClock::duration(next_deadline_.load()));
  }

  /// Tokens that came or went, in order. A reader keeps its own place in the sequence.
  struct SlotEvent {
    std::uint64_t number;
    SlotId slot;
  };
  [[nodiscard]] std::uint64_t last_event() const;
  /// The first event after `seen` of a slot that has no later one, if it is still remembered.
  [[nodiscard]] std::optional<SlotEvent> event_after(std::uint64_t seen) const;
  /// Waits until there is an event after `seen` or stop_waiting() was called.
  [[nodiscard]] std::optional<SlotEvent> wait_for_event(std::uint64_t seen);
  /// Lets all present and future waiters return at once.
  void stop_waiting();

  [[nodiscard]] Device& device() const noexcept { return device_; }
  [[nodiscard]] TaskBook& book() const noexcept { return *book_; }
  [[nodiscard]] const TaskLimits& limits() const noexcept { return limits_; }

 private:
  class Reservation;

  [[nodiscard]] TaskOwner& owner() noexcept { return *this; }
  void require_own_tasks() const;
  std::shared_ptr<Task> insert(TaskPlan plan, const std::shared_ptr<Task>& parent,
                               Reservation& reservation);
  void show(const std::shared_ptr<Task>& task);
  void task_active(const Task& task) noexcept override;
  void task_ended(const Task& task, const EndReport& report) noexcept override;
  void admit(Task& task, ByteView grant) override;
  void expire(BootClock::time_point now) noexcept;
  void follow_host() noexcept;
  void look_for_orders(BootClock::time_point now) noexcept;
  void note(const Task& task, const EndReport& report) noexcept;
  // Each of these is called with mutex_ locked.
  void forget(const Task& task) noexcept;
  void forget_deadline(const Task& task) noexcept;
  void announce(SlotId slot) noexcept;
  void update_next_deadline() noexcept;

  Device& device_;
  const TaskLimits limits_;
  const LoginFactory make_login_;
  const std::shared_ptr<TaskBook> book_;
  std::atomic<BootClock::rep> next_deadline_;
  std::atomic<BootClock::rep> next_orders_{0};  // when they are looked for in passing
  std::shared_ptr<TaskHost> host_;              // set before others see the table

  mutable std::shared_mutex mutex_;  // guards what follows; no device is called with it held
  std::condition_variable_any event_arrived_;
  std::map<SlotId, std::shared_ptr<Task>> tasks_;
  std::unordered_set<std::string> ids_;  // of tasks that are open, or are being opened
  std::multimap<BootClock::time_point, SlotId> by_deadline_;
  std::deque<SlotEvent> events_;
  std::uint64_t event_count_ = 0;
  bool waiting_stopped_ = false;
};

}  // namespace mayfly
