// A worker, as its supervisor sees it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <sys/types.h>
#include <vector>

#include "config/config.h"
#include "tools/broker/control_channel.h"
#include "tools/broker/run_request.h"
#include "tools/broker/task_server.h"
#include "tools/broker/worker_orders.h"

namespace mayfly::broker {

/// WorkerProcess owns the process that holds the device and serves the task. When it goes, the
/// process is killed, and with it the task's keys.
class WorkerProcess final : public TaskServer {
 public:
  /// Starts this same program again, as a worker.
  /// @param p11kit, agents   The task's sockets; the worker's from now on. The first may be none.
  /// @param grant            The open file with the grant; the worker's, too.
  /// @param pin_descriptors  What the worker needs for PINs.
  /// @throws std::system_error
  WorkerProcess(const Config& config, const RunRequest& request, Descriptor p11kit,
                Descriptor agents, Descriptor grant, std::vector<int> pin_descriptors);

  /// Starts it as the worker of a task that is open already.
  /// @param orders  Their descriptors stay the caller's.
  /// @throws std::system_error
  explicit WorkerProcess(const WorkerOrders& orders);
  ~WorkerProcess() override;

  [[nodiscard]] pid_t number() const noexcept override { return number_; }
  [[nodiscard]] bool was_ready() const noexcept override { return false; }
  [[nodiscard]] int descriptor() const noexcept override { return channel_.descriptor(); }
  /// Also ends a worker that is unruly.
  [[nodiscard]] std::optional<Message> receive() noexcept override;
  /// Asks the worker to end the task as what is said, and waits for nothing.
  void ask_to_end(TaskState state) noexcept;
  /// Waits until the worker has gone. One that takes longer than the timeout is killed.
  [[nodiscard]] WorkerEnd end(std::chrono::milliseconds timeout) noexcept override;
  void forget() noexcept override;
  [[nodiscard]] bool is_gone() const noexcept override { return number_ < 0; }

  /// Ends the process at once and waits for it.
  void kill() noexcept;

 private:
  void start(const std::vector<std::string>& strings, const std::vector<int>& descriptors,
             const std::vector<std::string>& variables);

  ControlChannel channel_;
  pid_t number_ = -1;
};

}  // namespace mayfly::broker
