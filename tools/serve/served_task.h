// One task of a broker of many.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

#include "base/limited_log.h"
#include "core/task.h"
#include "core/task_book.h"
#include "tools/broker/worker_process.h"
#include "tools/serve/accepted_config.h"
#include "tools/serve/event_loop.h"
#include "tools/serve/liveness.h"
#include "tools/serve/metrics.h"
#include "tools/serve/task_sockets.h"

namespace mayfly::serve {

/// How a task has ended.
struct TaskEnd {
  TaskState state = TaskState::closed;
  std::size_t destroyed = 0;  ///< key pairs
  std::size_t pending = 0;    ///< key pairs that the device still owes
  /// Whether nobody was left to say what became of its keys.
  bool unconfirmed = false;
  /// Whether a file may still say that it lives, since it could be neither replaced nor removed.
  bool may_seem_alive = false;
};

class ServedTask;

/// What tasks have in common, and whom they tell what becomes of them.
struct TaskSurroundings {
  EventLoop& loop;
  TaskBook& book;
  std::string place;  ///< the folder of the tasks' folders
  CurrentConfig config;
  Liveness* liveness = nullptr;  ///< null where nothing is published
  Metrics& metrics;
  /// A worker of the task was started, whose end child_ended() is to be told.
  std::function<void(ServedTask& task, pid_t process)> worker_started;
  /// Told once, as the last thing.
  std::function<void(ServedTask& task, const TaskEnd& end)> ended;
};

/// ServedTask models a task from its opening, which has been recorded, to its end. Until somebody
/// connects to one of its sockets it is no more than these; then it gets a worker, which holds its
/// keys. What its clients send is never read here.
class ServedTask {
 public:
  /// Lets the task's sockets appear.
  /// @param user  Whose processes may connect.
  /// @param place  In the status list, where there is one.
  /// @param surroundings  Outlive the task.
  /// @throws tools::Failure, std::system_error
  ServedTask(const TaskSurroundings& surroundings, TaskPlan plan, uid_t user,
             std::optional<std::uint64_t> place);
  ServedTask(const ServedTask&) = delete;
  ServedTask& operator=(const ServedTask&) = delete;

  [[nodiscard]] const TaskPlan& plan() const noexcept { return plan_; }
  [[nodiscard]] uid_t user() const noexcept { return user_; }
  [[nodiscard]] std::optional<std::uint64_t> place() const noexcept { return place_; }
  [[nodiscard]] TaskState state() const noexcept { return state_; }
  [[nodiscard]] const TaskSockets& sockets() const noexcept { return sockets_; }

  /// Ends the task, as far as it is not ending already. TaskSurroundings::ended may be called
  /// before this returns.
  /// @param cause  For the record; empty leaves it to the state.
  void end(TaskState state, const std::string& cause);

  /// The task's worker has ended and was waited for.
  void child_ended(int wait_status);

 private:
  /// What there is only while there is a worker.
  struct Work {
    explicit Work(const broker::WorkerOrders& orders) : process(orders) {}

    broker::WorkerProcess process;
    EventLoop::Watch channel;
    EventLoop::Timer patience;  // for its start, or its end
    bool is_ready = false;
    std::optional<TaskEnd> told_end;
  };

  void listen();
  void knock(bool is_p11kits);
  void start_worker(Descriptor first, bool is_p11kits);
  void wait_for_worker(BootClock::duration time, const char* what);
  void hear();
  void hear(const broker::Message& message);
  void hear_move(const broker::Message& message);
  void hear_key(const broker::Message& message);
  void hear_use(const std::string& report);
  void let_worker_end();
  void hide();
  void when_hidden(Liveness::Told told);
  void finish(TaskEnd end);
  void tell_end(const TaskEnd& end);
  void record(const TaskEnd& end);

  const TaskSurroundings& surroundings_;
  const TaskPlan plan_;
  const uid_t user_;
  const std::optional<std::uint64_t> place_;
  TaskState state_ = TaskState::open;
  std::optional<TaskState> wanted_end_;
  std::string cause_;
  Bytes ledger_key_;           // as TaskMove's, once the worker has told it
  bool is_recorded_ = false;   // that it has ended
  bool is_finishing_ = false;  // all that is left is that others see it
  TaskSockets sockets_;
  EventLoop::Watch p11kit_;
  EventLoop::Watch agents_;
  EventLoop::Timer deadline_;
  BootClock::time_point no_start_before_{};
  std::unique_ptr<Work> work_;
  // As the workers told; a worker that ends takes its part along.
  std::ptrdiff_t keys_ = 0;
  Use use_;
};

}  // namespace mayfly::serve
