// The tasks of a broker of many.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <unordered_map>
#include <vector>

#include "tools/broker/runtime_folder.h"
#include "tools/serve/served_task.h"
#include "tools/serve/sweeper.h"

namespace mayfly::serve {

/// How many descriptors a process needs for so many tasks.
[[nodiscard]] constexpr std::size_t descriptors_for(std::size_t tasks) noexcept {
  constexpr std::size_t kOfTask = 2;    // two sockets, later only the channel to its worker
  constexpr std::size_t kOthers = 256;  // also for tasks whose worker is being started
  return kOfTask * tasks + kOthers;
}

/// ServedTasks holds the open tasks, and whose child is which process.
class ServedTasks {
 public:
  /// @param sweeper   Clears up after workers that could not; outlives the tasks.
  /// @param liveness  Tells others which tasks live; null where nobody does. Outlives them, too.
  ServedTasks(EventLoop& loop, TaskBook& book, CurrentConfig config, Sweeper& sweeper,
              Liveness* liveness, Metrics& metrics);
  ServedTasks(const ServedTasks&) = delete;
  ServedTasks& operator=(const ServedTasks&) = delete;

  /// Keeps the ID for a task that is being opened. A user has one task of an ID.
  /// @throws Error CKR_FUNCTION_REJECTED if there is one; CKR_SESSION_COUNT if there are as many
  ///         tasks as may be, or as the user may have.
  void reserve(uid_t user, const std::string& id);
  /// The task was not opened after all.
  void give_back(uid_t user, const std::string& id) noexcept;

  /// Lets a task appear whose ID was reserved, and which was recorded.
  /// @param place  In the status list, where there is one.
  /// @throws tools::Failure, std::system_error, std::bad_alloc; the ID is given back then.
  const ServedTask& add(TaskPlan plan, uid_t user, std::optional<std::uint64_t> place);

  /// A task that is open, or is ending; null for none.
  [[nodiscard]] const ServedTask* find(const std::string& serial) const;
  /// The serials of tasks that are open or ending, and that a condition holds for.
  [[nodiscard]] std::vector<std::string> serials(
      const std::function<bool(const ServedTask&)>& condition) const;
  /// The serials of the tasks of an ID that are open or ending: a user's, or everybody's.
  [[nodiscard]] std::vector<std::string> of_id(const std::string& id,
                                               std::optional<uid_t> user) const;
  [[nodiscard]] std::size_t size() const noexcept { return tasks_.size(); }
  /// How many tasks there may be: limits.tasks, or what descriptors are enough for.
  [[nodiscard]] std::size_t most() const;

  using OnEnd = std::function<void(const TaskPlan& plan, const TaskEnd& end)>;

  /// Ends a task.
  /// @param on_end  Called when that is done, perhaps at once. Not called for a task that there is
  ///                not.
  void end(const std::string& serial, TaskState state, const std::string& cause, OnEnd on_end = {});

  /// Some child of this process has ended.
  void wait_for_children();

 private:
  void forget(ServedTask& task, const TaskEnd& end);
  [[nodiscard]] std::size_t of_user(uid_t user) const;

  EventLoop& loop_;
  const CurrentConfig config_;
  Sweeper& sweeper_;
  const broker::RuntimeFolder folder_;
  const TaskSurroundings surroundings_;
  std::unordered_map<std::string, std::shared_ptr<ServedTask>> tasks_;  // by serial
  std::map<std::pair<uid_t, std::string>, std::string> ids_;            // serial; "" if reserved
  std::unordered_map<pid_t, std::string> workers_;                      // serial
  std::multimap<std::string, OnEnd> waiting_;                           // by serial
};

}  // namespace mayfly::serve
