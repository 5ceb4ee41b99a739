// Noticing changes of a registry in PostgreSQL.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "registry/postgres/connection.h"
#include "registry/watch.h"

namespace mayfly::postgres {

/// PostgresWatch listens for what other brokers announce. In case that does not come, it takes
/// twice a second for a change.
class PostgresWatch final : public Watch {
 public:
  PostgresWatch(Server server, std::string name);

  [[nodiscard]] int descriptor() const noexcept override;
  [[nodiscard]] std::chrono::milliseconds longest_wait() const noexcept override;
  [[nodiscard]] bool changed() noexcept override;

 private:
  using Clock = std::chrono::steady_clock;

  bool connect() noexcept;

  const Server server_;
  const std::string name_;
  std::unique_ptr<Connection> connection_;
  Clock::time_point next_try_;
  Clock::time_point last_change_;
};

}  // namespace mayfly::postgres
