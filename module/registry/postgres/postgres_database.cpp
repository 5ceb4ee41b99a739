#include "registry/postgres/postgres_database.h"

#include "base/fork_epoch.h"
#include "registry/registry_unanswered.h"

namespace mayfly::postgres {
namespace {

constexpr std::size_t kMostIdle = 8;
constexpr char kNow[] = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

std::string beginning(SqlDatabase::Access access) {
  switch (access) {
    case SqlDatabase::Access::read:
      return std::string("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ") + kNow;
    case SqlDatabase::Access::write:
      return std::string("BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE; ") + kNow;
    case SqlDatabase::Access::migrate:
      break;
  }
  // Each statement sees what was committed before it: so what is read after the lock is true.
  return std::string(
             "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
             "SELECT pg_advisory_xact_lock(7881700893145490533); "  // "mayfly" and more, as bytes
             "DO $$ BEGIN IF to_regnamespace('mayfly') IS NULL THEN CREATE SCHEMA mayfly; "
             "END IF; END $$; ") +
         kNow;
}

class Transaction final : public SqlTransaction {
 public:
  Transaction(Connection& connection, std::int64_t now, SqlDatabase::Clock::time_point deadline)
      : connection_(connection), now_(now), deadline_(deadline) {}

  using SqlTransaction::run;
  SqlRows run(const std::string& statement, const SqlValues& values) override {
    return connection_.run(statement, values, deadline_);
  }
  [[nodiscard]] std::int64_t now() const noexcept override { return now_; }
  [[nodiscard]] LeaseTime lease_time() const override { return {now_, "server"}; }
  void announce() override { announced_ = true; }
  [[nodiscard]] bool announced() const noexcept { return announced_; }

 private:
  Connection& connection_;
  std::int64_t now_;
  SqlDatabase::Clock::time_point deadline_;
  bool announced_ = false;
};

}  // namespace

PostgresDatabase::PostgresDatabase(Server server, Connections connections)
    : server_(std::move(server)), connections_(connections), name_(describe(server_)) {
  ForkEpoch::watch();
  idle_ = new Idle{ForkEpoch::current(), {}, {}};
}

PostgresDatabase::~PostgresDatabase() {
  // A forked child's copy may be locked for good, and its connections are the parent's.
  Idle* const kept = idle_.load();
  if (kept->epoch == ForkEpoch::current()) delete kept;
}

const SqlDatabase::Types& PostgresDatabase::types() const noexcept {
  static constexpr Types kTypes = {"BIGINT", "BYTEA",
                                   "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"};
  return kTypes;
}

std::int64_t PostgresDatabase::version(SqlTransaction& transaction) {
  const SqlRows tables = transaction.run(
      "SELECT tablename::text FROM pg_tables WHERE schemaname = 'mayfly' ORDER BY "
      "tablename <> 'schema_version'");
  if (tables.empty()) return 0;
  if (tables[0].text(0) != "schema_version") {
    throw Error(CKR_GENERAL_ERROR,
                name_ + ": has a schema mayfly that is another program's; name another database");
  }
  return transaction.run("SELECT version FROM schema_version").at(0).number(0);
}

void PostgresDatabase::set_version(SqlTransaction& transaction, std::int64_t version) {
  transaction.run("CREATE TABLE IF NOT EXISTS schema_version(version BIGINT NOT NULL)");
  transaction.run("DELETE FROM schema_version");
  transaction.run("INSERT INTO schema_version(version) VALUES ($1)", {version});
}

void PostgresDatabase::attempt(Access access, const Body& body, Clock::time_point deadline) {
  std::unique_ptr<Connection> connection = take(deadline);
  try {
    run(*connection, access, body, deadline);
  } catch (const ConnectionLost&) {
    throw;  // with the connection
  } catch (const RegistryUnanswered&) {
    throw;
  } catch (...) {
    try {
      connection->run_all("ROLLBACK", deadline);
      give_back(std::move(connection));
    } catch (const Error&) {  // its end undoes the transaction as well
    }
    throw;
  }
  give_back(std::move(connection));
}

void PostgresDatabase::run(Connection& connection, Access access, const Body& body,
                           Clock::time_point deadline) {
  bool announced = false;
  try {
    const std::int64_t now = connection.run_all(beginning(access), deadline).at(0).number(0);
    Transaction transaction(connection, now, deadline);
    body(transaction);
    announced = transaction.announced();
  } catch (const ConnectionLost& lost) {
    drop_idle();
    if (Clock::now() >= deadline) throw;
    throw SqlConflict(CKR_FUNCTION_FAILED, lost.what());  // nothing has come of it
  }
  commit(connection, announced, deadline);
}

void PostgresDatabase::commit(Connection& connection, bool announced, Clock::time_point deadline) {
  commit_by([&] { connection.run_all(announced ? "NOTIFY mayfly; COMMIT" : "COMMIT", deadline); });
  if (connection.last_command() != "COMMIT") {
    throw Error(CKR_FUNCTION_FAILED, name_ + ": did not commit; look into the server's log");
  }
}

PostgresDatabase::Idle& PostgresDatabase::idle() {
  Idle* kept = idle_.load();
  if (kept->epoch == ForkEpoch::current()) return *kept;
  auto fresh = std::make_unique<Idle>();
  fresh->epoch = ForkEpoch::current();
  // What the parent had is left where it is.
  if (idle_.compare_exchange_strong(kept, fresh.get())) return *fresh.release();
  return *kept;
}

std::unique_ptr<Connection> PostgresDatabase::take(Clock::time_point deadline) {
  {
    Idle& kept = idle();
    const std::scoped_lock lock(kept.mutex);
    if (!kept.connections.empty()) {
      std::unique_ptr<Connection> connection = std::move(kept.connections.back());
      kept.connections.pop_back();
      return connection;
    }
  }
  return std::make_unique<Connection>(server_, name_, deadline);
}

void PostgresDatabase::give_back(std::unique_ptr<Connection> connection) {
  if (connections_ == Connections::one_each || !connection->is_of_this_process()) return;
  Idle& kept = idle();
  const std::scoped_lock lock(kept.mutex);
  if (kept.connections.size() < kMostIdle) kept.connections.push_back(std::move(connection));
}

void PostgresDatabase::drop_idle() {
  Idle& kept = idle();
  std::vector<std::unique_ptr<Connection>> gone;
  const std::scoped_lock lock(kept.mutex);
  gone.swap(kept.connections);
}

}  // namespace mayfly::postgres
