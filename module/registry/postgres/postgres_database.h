// The registry's database in PostgreSQL.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "registry/postgres/connection.h"
#include "registry/sql_database.h"

namespace mayfly::postgres {

/// Whether connections outlive their transactions. A host process must not have them kept: it may
/// close descriptors that are not its own and give their numbers to other files.
enum class Connections { one_each, kept };

/// PostgresDatabase runs its transactions as if they came one after the other (SERIALIZABLE), in
/// the schema `mayfly`, which it makes if there is none.
class PostgresDatabase final : public SqlDatabase {
 public:
  PostgresDatabase(Server server, Connections connections);
  ~PostgresDatabase() override;

  [[nodiscard]] const Types& types() const noexcept override;
  std::int64_t version(SqlTransaction& transaction) override;
  void set_version(SqlTransaction& transaction, std::int64_t version) override;
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] const Server& server() const noexcept { return server_; }

 private:
  /// Connections that nobody uses, of one process.
  struct Idle {
    std::uint64_t epoch;
    std::mutex mutex;
    std::vector<std::unique_ptr<Connection>> connections;
  };

  void attempt(Access access, const Body& body, Clock::time_point deadline) override;
  [[nodiscard]] std::chrono::milliseconds patience() const noexcept override {
    return server_.patience;
  }
  void run(Connection& connection, Access access, const Body& body, Clock::time_point deadline);
  void commit(Connection& connection, bool announced, Clock::time_point deadline);
  Idle& idle();
  std::unique_ptr<Connection> take(Clock::time_point deadline);
  void give_back(std::unique_ptr<Connection> connection);
  void drop_idle();

  const Server server_;
  const Connections connections_;
  const std::string name_;
  std::atomic<Idle*> idle_;
};

}  // namespace mayfly::postgres
