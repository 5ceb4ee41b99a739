// One agent's process, as the worker sees it.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <sys/types.h>
#include <vector>

#include "base/bytes.h"
#include "core/application.h"
#include "wire/protocol.h"

namespace mayfly::broker {

/// AgentApplication is the Application of one agent's process. It is made by the process's first
/// connection and ends with it; further connections of the process, its lanes, are there so that
/// its threads sign at the same time. Who joins must know the lane key and be the same process.
class AgentApplication {
 public:
  using LaneKey = std::array<std::uint8_t, wire::kLaneKeySize>;

  /// @throws Error CKR_TOKEN_NOT_PRESENT if the task has ended.
  AgentApplication(TaskTable& tasks, const Task& task, std::size_t max_sessions, pid_t process);

  [[nodiscard]] Application& application() noexcept { return application_; }
  [[nodiscard]] Token& token() noexcept { return *token_; }
  [[nodiscard]] const LaneKey& lane_key() const noexcept { return lane_key_; }
  [[nodiscard]] bool may_join(ByteView key, pid_t process) const noexcept;

  /// A lane's presence. The first one ends the application when it goes.
  class Lane {
   public:
    /// @param socket  Shut down when the application ends before the lane does.
    /// @throws Error CKR_DEVICE_REMOVED if the application has ended.
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
  void end() noexcept;

  Application application_;
  const std::shared_ptr<Token> token_;
  const pid_t process_;
  LaneKey lane_key_;

  std::mutex mutex_;  // guards what follows
  bool ended_ = false;
  std::vector<int> lanes_;  // their sockets
};

}  // namespace mayfly::broker
