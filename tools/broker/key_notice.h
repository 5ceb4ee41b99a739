// Word to the broker of the keys that live in a worker's task.
#pragma once

#include "core/task.h"
#include "tools/broker/control_channel.h"

namespace mayfly::broker {

/// KeyNotice tells a broker of many tasks, which publishes them, of each key that is made or
/// destroyed: MessageKind::key_made and key_destroyed.
class KeyNotice final : public TaskObserver {
 public:
  /// @param channel  Outlives the task.
  explicit KeyNotice(ControlChannel& channel) : channel_(channel) {}

  void key_made(const PublicKey& key) noexcept override;
  /// A broker that does not listen is waited for, a while: else it would go on to say that the key
  /// lives.
  void key_destroyed(const PublicKey& key) noexcept override;
  void task_ended(TaskState) noexcept override {}

 private:
  ControlChannel& channel_;
};

}  // namespace mayfly::broker
