// What is done for those who ask at the control socket.
#pragma once

#include <atomic>
#include <memory>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "compose/registry_book.h"
#include "core/task_book.h"
#include "registry/registry.h"
#include "tools/serve/control_request.h"
#include "tools/serve/control_socket.h"
#include "tools/serve/job_threads.h"
#include "tools/serve/pending_openings.h"
#include "tools/serve/served_tasks.h"
#include "tools/serve/task_opener.h"

namespace mayfly::serve {

class EndedTasks;

/// ControlCommands answers requests. What may wait for the registry is done by other threads; the
/// loop never waits.
class ControlCommands {
 public:
  /// Threads for what may have to wait, so that no kind of work waits for another.
  struct Jobs {
    JobThreads& openings;
    JobThreads& queries;
    JobThreads& revocations;
  };

  /// @param registered  The book that is kept in a registry; null without one.
  /// @param liveness    Null where nothing is published. All outlive the commands, and the loop
  ///                    runs no function of theirs after them.
  ControlCommands(EventLoop& loop, CurrentConfig config, TaskBook& book, RegistryBook* registered,
                  const Jobs& jobs, ServedTasks& tasks, Liveness* liveness, Metrics& metrics);
  ControlCommands(const ControlCommands&) = delete;
  ControlCommands& operator=(const ControlCommands&) = delete;

  using Answer = ControlSocket::Answer;

  /// Does what a request asks for, as far as the caller may.
  void handle(const Caller& caller, std::string_view text, const Answer& answer);

  /// From now on nothing is opened any more.
  void stop_opening() noexcept { is_stopping_ = true; }
  /// Tasks whose opening is under way.
  [[nodiscard]] std::size_t openings() const noexcept { return openings_.size(); }
  /// Called in the loop when an opening is over.
  void on_opening_over(EventLoop::Function function) { opening_over_ = std::move(function); }

 private:
  void dispatch(const Caller& caller, const ControlRequest& request, const Answer& answer);
  void open(const Caller& caller, const ControlRequest& request, const Answer& answer);
  [[nodiscard]] bool end_if_revoked(const TaskPlan& plan,
                                    const std::vector<PendingOpenings::Revocation>& since);
  void opened(RecordedTask recorded, uid_t user, const Answer& answer);
  void close(const Caller& caller, const ControlRequest& request, const Answer& answer);
  void list(const Caller& caller, const ControlRequest& request, const Answer& answer);
  void show(const Caller& caller, const ControlRequest& request, const Answer& answer);
  void revoke(const Caller& caller, const ControlRequest& request, const Answer& answer);
  std::string owe(RevocationOrdered revocation, const std::exception& why);
  [[nodiscard]] std::vector<std::string> find(const Caller& caller,
                                              const ControlRequest& request) const;
  [[nodiscard]] nlohmann::json where_listed(const ServedTask& task) const;
  [[nodiscard]] bool is_operator(const Caller& caller) const;

  EventLoop& loop_;
  const CurrentConfig config_;
  TaskBook& book_;
  RegistryBook* const registered_;
  Registry* const registry_;
  const Jobs jobs_;
  ServedTasks& tasks_;
  Liveness* const liveness_;
  Metrics& metrics_;
  std::atomic<bool> is_stopping_{false};  // openings that wait for their turn look at it
  PendingOpenings openings_;
  EventLoop::Function opening_over_ = [] {};
};

}  // namespace mayfly::serve
