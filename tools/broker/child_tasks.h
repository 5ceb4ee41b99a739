// Tasks below a worker's task.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <sys/types.h>
#include <unistd.h>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "core/task_table.h"
#include "tools/broker/agent_door.h"
#include "tools/broker/child_doors.h"
#include "tools/broker/connection_set.h"
#include "tools/broker/p11kit_door.h"

namespace mayfly::broker {

/// ChildTask is a task below another one, with a table and doors of its own: who comes in by them
/// meets this task and no other. It ends with it.
class ChildTask {
 public:
  /// @throws Error as TaskTable::open().
  ChildTask(std::unique_ptr<TaskTable> table, const TaskRequest& request,
            const std::shared_ptr<Task>& parent, std::size_t sessions, ChildTasks& children);

  [[nodiscard]] const std::shared_ptr<Task>& task() const noexcept { return task_; }
  [[nodiscard]] TaskTable& table() const noexcept { return *table_; }
  EndReport end(TaskState cause) noexcept { return table_->end_all(cause); }

 private:
  friend class ChildTasks;

  /// The table must not go before nobody has to do with its task any more.
  struct End {
    explicit End(std::shared_ptr<Task> task) : task_(std::move(task)) {}
    ~End() {
      if (!task_->end(TaskState::closed)) task_->wait_for_end();
    }
    End(const End&) = delete;
    End& operator=(const End&) = delete;
    const std::shared_ptr<Task> task_;
  };

  const std::unique_ptr<TaskTable> table_;
  const std::shared_ptr<Task> task_;
  const End end_{task_};
  P11kitDoor p11kit_door_;
  AgentDoor agent_door_;
  ChildDoors::Name p11kit_ = 0;  // guarded by ChildTasks::mutex_
  ChildDoors::Name agents_ = 0;
};

/// ChildTasks holds the tasks below a worker's task, as deep as they go. Each is opened for one
/// agent's process, which gives the sockets to serve it at, and ends with that process's
/// connection, with its own deadline, or with the task above.
class ChildTasks {
 public:
  static constexpr std::size_t kMost = 256;

  enum class DoorKind { p11kit, agents };

  /// @param tasks     The table of the worker's own task; outlives this, as does `connections`.
  /// @param sessions  PKCS#11 sessions that one application may have open.
  /// @param user      For whom the tasks are opened.
  /// @throws std::system_error
  ChildTasks(TaskTable& tasks, std::size_t sessions, ConnectionSet& connections,
             uid_t user = geteuid())
      : tasks_(tasks), sessions_(sessions), connections_(connections), user_(user) {}
  ~ChildTasks() { close(); }
  ChildTasks(const ChildTasks&) = delete;
  ChildTasks& operator=(const ChildTasks&) = delete;

  // From any thread ------------------------------------------------------------------------------

  /// @throws Error as TaskTable::open(); CKR_SESSION_COUNT when there are too many.
  [[nodiscard]] std::shared_ptr<ChildTask> open(TaskRequest request,
                                                const std::shared_ptr<Task>& parent);
  /// Serves a task at one more socket: of SOCK_STREAM for p11-kit's clients, of SOCK_SEQPACKET for
  /// agents.
  /// @throws Error as ChildDoors::add(); CKR_ARGUMENTS_BAD for a second one of a kind;
  ///         CKR_DEVICE_REMOVED for a task that has ended.
  void add_door(const std::shared_ptr<ChildTask>& child, DoorKind kind, Descriptor listening);
  /// Ends those that are among the serials.
  void obey(const std::vector<std::string>& ordered) noexcept;
  void end_all(TaskState cause) noexcept;

  // From the thread that made it -----------------------------------------------------------------

  /// Readable when work() has something to do.
  [[nodiscard]] int descriptor() const noexcept { return doors_.descriptor(); }
  /// Serves the connections that came.
  void work();
  /// Ends the tasks whose deadline has come, and forgets those that have ended. The next deadline,
  /// if there is any.
  std::optional<BootClock::time_point> expire_due(BootClock::time_point now);
  /// No connection is accepted and no task opened any more: the task above is about to end.
  void close() noexcept;

 private:
  using Children = std::vector<std::shared_ptr<ChildTask>>;
  class Place;

  [[nodiscard]] Children all() const;
  void forget_ended();

  TaskTable& tasks_;
  const std::size_t sessions_;
  ConnectionSet& connections_;
  const uid_t user_;
  ChildDoors doors_;

  mutable std::mutex mutex_;  // guards what follows
  Children children_;
  std::size_t opening_ = 0;  // tasks that are to come to them
  bool is_closed_ = false;
};

}  // namespace mayfly::broker
