// Tasks below a worker's task.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/limited_log.h"
#include "core/task_table.h"
#include "tools/broker/agent_door.h"
#include "tools/broker/connection_set.h"
#include "tools/broker/p11kit_door.h"

namespace mayfly::broker {

/// ChildTask is a task below another one, with a table and doors of its own: who comes in by them
/// meets this task and no other.
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

  const std::unique_ptr<TaskTable> table_;
  const std::shared_ptr<Task> task_;
  P11kitDoor p11kit_door_;
  AgentDoor agent_door_;
  Descriptor p11kit_;  // listening; of the thread that calls ChildTasks::work()
  Descriptor agents_;
};

/// ChildTasks holds the tasks below a worker's task, as deep as they go. Each is opened for one
/// agent's process, which gives the sockets to serve it at, and ends with that process's
/// connection, with its own deadline, or with the task above.
class ChildTasks {
 public:
  static constexpr std::size_t kMost = 256;

  enum class DoorKind { p11kit, agents };

  /// @param tasks        The table of the worker's own task; outlives this, as does `connections`.
  /// @param sessions     PKCS#11 sessions that one application may have open.
  /// @throws std::system_error
  ChildTasks(TaskTable& tasks, std::size_t sessions, ConnectionSet& connections);
  ChildTasks(const ChildTasks&) = delete;
  ChildTasks& operator=(const ChildTasks&) = delete;

  // From any thread ------------------------------------------------------------------------------

  /// @throws Error as TaskTable::open(); CKR_SESSION_COUNT when there are too many.
  [[nodiscard]] std::shared_ptr<ChildTask> open(const TaskRequest& request,
                                                const std::shared_ptr<Task>& parent);
  /// Serves a task at one more socket.
  /// @param listening  Must be a local SOCK_STREAM socket for p11-kit's clients, SOCK_SEQPACKET for
  ///                   agents, and listen.
  /// @throws Error CKR_ARGUMENTS_BAD for any other, and for a second one of a kind.
  void add_door(const std::shared_ptr<ChildTask>& child, DoorKind kind, Descriptor listening);

  // From the thread that made it -----------------------------------------------------------------

  /// Readable when work() has something to do.
  [[nodiscard]] int descriptor() const noexcept { return events_.number(); }
  /// Accepts connections, and forgets tasks that have ended and have no connection any more.
  void work();
  /// Ends the tasks whose deadline has come. Their next one, if there is any.
  std::optional<BootClock::time_point> expire_due(BootClock::time_point now);
  /// Ends those that are among the serials.
  void obey(const std::vector<std::string>& ordered) noexcept;
  /// No connection is accepted any more.
  void close_doors() noexcept;

 private:
  using Children = std::vector<std::shared_ptr<ChildTask>>;

  [[nodiscard]] Children all() const;
  void accept_at(const std::shared_ptr<ChildTask>& child, Descriptor& listening, FrontDoor& door);
  void forget_ended();

  TaskTable& tasks_;
  const std::size_t sessions_;
  ConnectionSet& connections_;
  Descriptor events_;  // an epoll of the listening sockets
  log::LimitedLog log_;

  mutable std::mutex mutex_;  // guards what follows
  Children children_;
};

}  // namespace mayfly::broker
