// One agent's process, as the worker sees it.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "core/application.h"
#include "wire/protocol.h"

namespace mayfly::broker {

class ChildTask;
class ChildTasks;

/// AgentApplication is the Application of one agent's process. It is made by the process's first
/// connection and ends with it; further connections of the process, its lanes, are there so that
/// its threads sign at the same time. Who joins must know the lane key and be the same process.
class AgentApplication {
 public:
  using LaneKey = std::array<std::uint8_t, wire::kLaneKeySize>;

  /// @throws Error CKR_TOKEN_NOT_PRESENT if the task has ended.
  AgentApplication(TaskTable& tasks, std::shared_ptr<Task> task, std::size_t max_sessions,
                   pid_t process, ChildTasks& children);

  [[nodiscard]] Application& application() noexcept { return application_; }

  /// Opens a task below the agent's, which ends with the application.
  /// @return its name in add_door().
  /// @throws Error as ChildTasks::open().
  [[nodiscard]] std::pair<std::uint64_t, std::shared_ptr<Task>> open_child(
      const TaskRequest& request);
  /// @throws Error as ChildTasks::add_door(); CKR_ARGUMENTS_BAD for a name that is none.
  void add_door(std::uint64_t child, bool for_p11kit, Descriptor listening);
  /// Ends a task below. @throws Error CKR_ARGUMENTS_BAD
  EndReport close_child(std::uint64_t child);

  [[nodiscard]] Token& token() noexcept { return *token_; }
  [[nodiscard]] const LaneKey& lane_key() const noexcept { return lane_key_; }
  [[nodiscard]] bool may_join(ByteView key, pid_t process) const noexcept;

  /// A lane's presence. The first one ends the application when it goes.
  class Lane {
   public:
    /// @param socket  Shut down when the application ends before the lane does.
    /// @throws Error CKR_FUNCTION_REJECTED if the application has ended.
    Lane(std::shared_ptr<AgentApplication> application, int socket, bool first);
    ~Lane();
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    [[nodiscard]] AgentApplication& application() const noexcept { return *application_; }

   private:
    const std::shared_ptr<AgentApplication> application_;
    const int socket_;
    const bool first_;
  };

 private:
  [[nodiscard]] std::shared_ptr<ChildTask> find_child(std::uint64_t child);
  void end() noexcept;

  Application application_;
  const std::shared_ptr<Task> task_;
  ChildTasks& children_;
  const std::shared_ptr<Token> token_;
  const pid_t process_;
  LaneKey lane_key_;

  std::mutex mutex_;  // guards what follows
  bool ended_ = false;
  std::vector<int> lanes_;  // their sockets
  std::uint64_t last_child_ = 0;
  std::map<std::uint64_t, std::shared_ptr<ChildTask>> opened_;
};

}  // namespace mayfly::broker
