// The databases that a registry can be in, each with a registry of a test's own.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "registry/postgres/postgres_registry.h"
#include "registry/registry.h"
#include "registry/sqlite/connection.h"
#include "registry/sqlite/sqlite_registry.h"
#include "support/postgres_server.h"
#include "support/temp_folder.h"

namespace mayfly::test {

enum class Backend {
  sqlite,
  sqlite_log,  ///< with a write-ahead log, as a broker's watch gives it
  postgres
};

/// The program's PostgreSQL server, started when it is first asked for.
inline PostgresServer& postgres_server() {
  static PostgresServer server;
  return server;
}

/// An empty database for one registry.
class RegistryPlace {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RegistryPlace(Backend backend) : backend_(backend) {
    if (backend == Backend::postgres) url_ = postgres_server().make_database();
  }

  /// In a database of another server's than the program's own.
  explicit RegistryPlace(std::string url) : backend_(Backend::postgres), url_(std::move(url)) {}

  /// Makes it as empty as it was at first.
  void clear() const {
    if (backend_ == Backend::postgres) {
      run("DROP SCHEMA IF EXISTS mayfly CASCADE");
      return;
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      std::filesystem::remove(entry);
    }
  }

  /// Opens its registry as another process would. Long patience: the machine may be busy.
  [[nodiscard]] std::unique_ptr<Registry> open(
      std::chrono::milliseconds patience = std::chrono::seconds(60),
      postgres::Connections connections = postgres::Connections::kept) const {
    if (backend_ == Backend::sqlite) return open_sqlite_registry(file(), patience);
    if (backend_ == Backend::sqlite_log) {
      auto registry = open_sqlite_registry(file(), patience);
      if (run("PRAGMA journal_mode").at(0).text(0) != "wal") {
        static_cast<void>(registry->watch()->changed());
      }
      return registry;
    }
    return open_postgres_registry(server(patience), connections);
  }

  /// Runs a statement behind the registry's back.
  SqlRows run(const std::string& statement) const {
    const Clock::time_point deadline = Clock::now() + std::chrono::seconds(60);
    if (backend_ != Backend::postgres) return sqlite::Connection(file(), deadline).run(statement);
    postgres::Connection connection(server(std::chrono::seconds(60)), "a test", deadline);
    return connection.run(statement, {}, deadline);
  }

  [[nodiscard]] Backend backend() const noexcept { return backend_; }
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "registry.db"; }
  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_.path(); }
  [[nodiscard]] postgres::Server server(std::chrono::milliseconds patience) const {
    return {url_, {}, patience};
  }

 private:
  Backend backend_;
  TempFolder folder_;
  std::string url_;
};

}  // namespace mayfly::test
