// mayfly's own door, for agents that load libmayfly.so (docs/door-protocol.md).
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "tools/broker/agent_application.h"
#include "tools/broker/change_notice.h"
#include "tools/broker/front_door.h"
#include "wire/seqpacket.h"

namespace mayfly::broker {

/// AgentDoor lets agents' processes into one task.
class AgentDoor final : public FrontDoor {
 public:
  /// From here on the task keeps its changes.
  /// @param tasks     Outlives the door.
  /// @param sessions  PKCS#11 sessions that one process may have open.
  /// @param children  Opens tasks below this one; outlives the door's connections.
  /// @throws std::system_error
  AgentDoor(TaskTable& tasks, std::shared_ptr<Task> task, std::size_t sessions,
            ChildTasks& children);

  [[nodiscard]] std::string serve(int socket, const ucred& peer) override;
  /// An agent's forked child holds its connections until it has closed them, or for good.
  [[nodiscard]] bool ends_with_peer() const noexcept override { return true; }

 private:
  std::shared_ptr<AgentApplication> find(ByteView lane_key, pid_t process);
  std::shared_ptr<AgentApplication> make(pid_t process);
  [[nodiscard]] wire::HelloAnswer describe(const AgentApplication& agent) const;

  class Conversation;

  TaskTable& tasks_;
  const std::shared_ptr<Task> task_;
  const std::size_t sessions_;
  ChildTasks& children_;
  const bool takes_messages_;  // whether a SIGN may be long
  const std::shared_ptr<ChangeNotice> page_;

  wire::Budget long_requests_;  // of all clients together

  std::mutex mutex_;  // guards agents_
  std::vector<std::weak_ptr<AgentApplication>> agents_;
};

}  // namespace mayfly::broker
