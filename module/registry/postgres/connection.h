// One connection to PostgreSQL, which never waits for longer than it is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "registry/postgres/libpq.h"
#include "registry/postgres/server.h"
#include "registry/sql_database.h"

namespace mayfly::postgres {

/// The connection is gone, and with it the transaction in it.
class ConnectionLost final : public Error {
 public:
  using Error::Error;
};

/// Connection models one session of the server. It can't be used any more after ConnectionLost.
class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  /// Connects, and sets up the session.
  /// @param name  For messages.
  /// @throws Error CKR_FUNCTION_FAILED "NAME: why; how to mend it".
  Connection(const Server& server, const std::string& name, Clock::time_point deadline);
  /// In a forked child the session is left to the parent.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Runs one statement with parameters, and takes all its rows.
  /// @throws SqlConflict when it met another transaction; ConnectionLost, also when there is no
  ///         answer in time; Error for what the server refuses.
  SqlRows run(const std::string& statement, const SqlValues& values, Clock::time_point deadline);

  /// Runs statements without parameters, separated by `;`, and takes the rows of the last.
  /// @throws as run().
  SqlRows run_all(const std::string& statements, Clock::time_point deadline);

  /// The command of the last statement: "COMMIT".
  [[nodiscard]] const std::string& last_command() const noexcept { return last_command_; }

  /// Whether a NOTIFY has come since the last time. Does not wait. @throws ConnectionLost.
  [[nodiscard]] bool take_notifications();

  [[nodiscard]] int socket() const noexcept { return pq_.socket(connection_); }
  [[nodiscard]] bool is_of_this_process() const noexcept;

 private:
  struct Start;

  void connect(const Server& server, Clock::time_point deadline);
  void set_up(std::chrono::milliseconds patience, Clock::time_point deadline);
  void wait(short events, Clock::time_point deadline);
  SqlRows take_answers(Clock::time_point deadline);
  SqlRows rows_of(const PGresult* result) const;
  [[noreturn]] void refuse(const PGresult* result) const;
  [[noreturn]] void lose(const std::string& why) const;

  const Libpq& pq_ = Libpq::get();
  const std::string name_;
  const std::uint64_t epoch_;
  PGconn* connection_ = nullptr;
  std::string last_command_;
};

}  // namespace mayfly::postgres
