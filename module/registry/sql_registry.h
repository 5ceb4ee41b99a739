// The registry over a database that speaks SQL.
#pragma once

#include "registry/registry.h"
#include "registry/sql_database.h"

namespace mayfly {

/// What SQLite's and PostgreSQL's registries are: the same statements over either.
class SqlRegistry : public Registry {
 public:
  /// Makes or migrates the tables. @throws Error as migrate().
  explicit SqlRegistry(std::unique_ptr<SqlDatabase> database);

  [[nodiscard]] const std::string& host() const noexcept final { return host_; }

  // sql_stored_keys.cpp
  void add_stored_key(const StoredKeyRecord& record) final;
  void remove_stored_key(ByteView id) final;
  void give_up_stored_key(ByteView id) final;
  [[nodiscard]] std::vector<StoredKeyRecord> stored_keys(const std::string& device) final;

  // sql_brokers.cpp
  void register_broker(const BrokerRecord& broker, std::chrono::milliseconds lease) final;
  [[nodiscard]] bool renew_lease(const std::string& broker, std::chrono::milliseconds lease) final;
  void end_broker(const std::string& broker, const std::string& actor) final;
  [[nodiscard]] std::vector<BrokerRecord> brokers() final;

  // sql_take_over.cpp
  [[nodiscard]] std::vector<TakenOver> take_over(const BrokerRecord& self,
                                                 TakeOverScope scope) final;
  void finish_take_over(const std::string& self, const std::string& broker) final;

  // sql_tasks.cpp
  void open_task(const NewTask& task, const std::optional<GrantUse>& grant,
                 const std::string& actor) final;
  std::size_t move_tasks(const std::vector<TaskChange>& changes) final;
  [[nodiscard]] std::vector<TaskRecord> tasks(const TaskFilter& filter) final;
  [[nodiscard]] std::vector<TaskTransition> transitions(const std::string& serial) final;
  [[nodiscard]] std::vector<TaskRecord> children(const std::string& serial) final;

  // sql_revocations.cpp
  std::vector<TaskRecord> request_revocation(const RevocationTarget& target,
                                             const std::string& reason,
                                             const std::string& actor) final;
  [[nodiscard]] std::vector<RevocationOrder> revocations_within(
      std::optional<std::chrono::milliseconds> patience, const std::string& broker) final;

  // sql_tickets.cpp
  void add_ticket(ByteView ticket_hash, const std::string& grant, std::uint64_t expires) final;
  [[nodiscard]] std::optional<std::string> take_ticket(ByteView ticket_hash) final;

  // sql_purge.cpp
  std::size_t purge(std::chrono::seconds history) final;
  [[nodiscard]] std::vector<TaskRecord> old_tasks(const std::string& host,
                                                  std::chrono::seconds history,
                                                  const std::optional<TaskRecord>& after) final;
  [[nodiscard]] std::map<std::string, std::uint64_t> old_tasks_by_host(
      std::chrono::seconds history) final;
  std::size_t forget_tasks(const std::vector<std::string>& serials,
                           std::chrono::seconds history) final;

 protected:
  [[nodiscard]] SqlDatabase& database() noexcept { return *database_; }

 private:
  std::unique_ptr<SqlDatabase> database_;
  std::string host_;
};

}  // namespace mayfly
