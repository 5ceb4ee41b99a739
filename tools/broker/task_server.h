// What serves a task, as the supervisor of its command sees it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <sys/types.h>

#include "tools/broker/control_channel.h"

namespace mayfly::broker {

/// How what serves a task ended when it was asked to.
struct WorkerEnd {
  enum class How { confirmed, died, killed };

  How how = How::died;
  std::uint64_t pending = 0;  ///< keys whose destruction the device has not confirmed
};

/// TaskServer models what holds a task: a worker process of our own, or the worker of the task
/// above. When it goes, so does the task.
class TaskServer {
 public:
  virtual ~TaskServer() = default;
  TaskServer() = default;
  TaskServer(const TaskServer&) = delete;
  TaskServer& operator=(const TaskServer&) = delete;

  /// The process, if it is a child of ours; else -1.
  [[nodiscard]] virtual pid_t number() const noexcept = 0;
  /// Whether the task was open when this was made; else receive() says so.
  [[nodiscard]] virtual bool was_ready() const noexcept = 0;
  /// Readable when receive() has something to say; -1 when it never has again.
  [[nodiscard]] virtual int descriptor() const noexcept = 0;
  /// What is said; nothing if it is gone.
  [[nodiscard]] virtual std::optional<Message> receive() noexcept = 0;
  /// Ends the task. What takes longer than the timeout is given up.
  [[nodiscard]] virtual WorkerEnd end(std::chrono::milliseconds timeout) noexcept = 0;
  /// The process has been waited for by somebody else.
  virtual void forget() noexcept = 0;
  [[nodiscard]] virtual bool is_gone() const noexcept = 0;
};

}  // namespace mayfly::broker
