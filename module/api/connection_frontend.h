// The module as one connection of a broker meets it.
#pragma once

#include <optional>

#include "api/frontend.h"
#include "core/shown_keys.h"

namespace mayfly::api {

/// ConnectionFrontend gives one connection an Application of its own over tasks that the broker
/// opened. C_Initialize and C_Finalize of the far side begin and end it; so does destruction, for a
/// far side that died. Serves one thread.
class ConnectionFrontend final : public Frontend {
 public:
  /// @param tasks  The broker's tasks; outlive the frontend.
  /// @param shown  The keys that the far side can be shown.
  ConnectionFrontend(TaskTable& tasks, std::size_t max_sessions, ShownKeys shown = {});
  /// Ends the application as finalize() does.
  ~ConnectionFrontend() override;

  void initialize(const InitializeArguments& arguments) override;
  void finalize() override;
  Application& enter(std::size_t& token) override;
  void leave(std::size_t) noexcept override {}
  [[nodiscard]] bool is_remote() const noexcept override { return true; }

 private:
  TaskTable& tasks_;
  const std::size_t max_sessions_;
  const ShownKeys shown_;
  std::optional<Application> application_;
};

}  // namespace mayfly::api
