// A task below the one that this process is in, held by that one's worker.
#pragma once

#include <string>

#include "base/descriptor.h"
#include "base/secret.h"
#include "device/broker/broker_link.h"
#include "tools/broker/run_request.h"
#include "tools/broker/task_server.h"

namespace mayfly::broker {

/// ChildLink is the connection that a task below another one lives by.
class ChildLink final : public TaskServer {
 public:
  /// Has the worker of the task above open a task and serve it at these sockets.
  /// @param door    The socket of the task above: $MAYFLY_SOCKET.
  /// @param p11kit  May be none.
  /// @param grant   The open file with the grant; may be none.
  /// @throws tools::Failure kGrantRefused; Error what the worker answers.
  ChildLink(const std::string& door, const RunRequest& request, Descriptor p11kit,
            Descriptor agents, Descriptor grant);

  [[nodiscard]] pid_t number() const noexcept override { return -1; }
  [[nodiscard]] bool was_ready() const noexcept override { return true; }
  [[nodiscard]] int descriptor() const noexcept override;
  [[nodiscard]] std::optional<Message> receive() noexcept override;
  [[nodiscard]] WorkerEnd end(std::chrono::milliseconds timeout) noexcept override;
  void forget() noexcept override { link_.close(); }
  [[nodiscard]] bool is_gone() const noexcept override { return !link_.is_up(); }

 private:
  void open(const RunRequest& request, ByteView grant);
  void add_door(Descriptor listening, bool for_p11kit);
  void watch(int descriptor);
  [[nodiscard]] WorkerEnd close_child() noexcept;

  agent::BrokerLink link_;
  std::uint64_t child_ = 0;
  Descriptor deadline_;  // a timer; none once it has come
  Descriptor events_;    // an epoll of the timer and the link
};

}  // namespace mayfly::broker
