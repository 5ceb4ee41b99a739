// SqlRegistry's care for brokers that are gone.
#include <map>

#include "base/log.h"
#include "registry/record_checks.h"
#include "registry/sql_registry.h"
#include "registry/sql_steps.h"

namespace mayfly {
namespace {

using Access = SqlDatabase::Access;

/// Why a broker is taken for gone, by its ID.
using Causes = std::map<std::string, std::string>;

bool is_seen_dead(const BrokerRecord& broker, const BrokerRecord& self) {
  if (broker.host != self.host) return false;
  try {
    return liveness(broker.process, self.process) == Liveness::dead;
  } catch (const Error& error) {  // that it can't be looked up says nothing of it
    log::warn("whether broker " + broker.id + " lives can't be seen", error);
    return false;
  }
}

/// The other brokers that are registered and gone.
Causes gone_brokers(SqlTransaction& transaction, const BrokerRecord& self, TakeOverScope scope) {
  const LeaseTime time = transaction.lease_time();
  Causes causes;
  for (const SqlRow& row : transaction.run(
           std::string("SELECT ") + kBrokerColumns +
               ", b.lease_until, b.lease_era FROM broker AS b WHERE b.phase = $1 AND b.id <> $2",
           {as_value(BrokerPhase::registered), self.id})) {
    const BrokerRecord broker = broker_in(row);
    if (row.text(4) != time.era) {
      causes.emplace(broker.id, "the machine was started anew without its broker");
    } else if (scope == TakeOverScope::lapsed && row.number(3) <= time.milliseconds) {
      causes.emplace(broker.id, "its broker did not renew its lease");
    } else if (is_seen_dead(broker, self)) {
      causes.emplace(broker.id, "its broker's process is dead");
    }
  }
  return causes;
}

/// What other brokers had taken over and did not clear up before they went. One that is its own
/// heir has none yet.
SqlRows left_over(SqlTransaction& transaction, TakeOverScope scope) {
  std::string query = std::string("SELECT ") + kBrokerColumns +
                      " FROM broker AS b JOIN broker AS heir ON heir.id = b.taken_by "
                      "WHERE b.phase = $1 AND heir.phase <> $2";
  if (scope == TakeOverScope::dead_without_keys) {
    query +=
        " AND NOT EXISTS (SELECT 1 FROM stored_key AS k JOIN task AS t ON t.serial = k.task_serial "
        "WHERE t.broker = b.id)";
  }
  return transaction.run(query,
                         {as_value(BrokerPhase::taken_over), as_value(BrokerPhase::registered)});
}

void claim(SqlTransaction& transaction, const std::string& broker, const std::string& heir) {
  transaction.run("UPDATE broker SET phase = $3, taken_by = $2, ended = $4 WHERE id = $1",
                  {broker, heir, as_value(BrokerPhase::taken_over), transaction.now()});
}

BrokerRecord find_broker(SqlTransaction& transaction, const std::string& id) {
  return broker_in(
      transaction
          .run(std::string("SELECT ") + kBrokerColumns + " FROM broker AS b WHERE b.id = $1", {id})
          .at(0));
}

std::vector<StoredKeyRecord> keys_of(SqlTransaction& transaction, const std::string& broker) {
  return stored_keys_in(transaction.run(
      std::string("SELECT ") + kStoredKeyColumns +
          " FROM stored_key AS k JOIN task AS t ON t.serial = k.task_serial WHERE t.broker = $1 "
          "ORDER BY k.recorded, k.id",
      {broker}));
}

std::vector<TaskRecord> lost_tasks(SqlTransaction& transaction, const std::string& broker) {
  return tasks_in(transaction.run(std::string("SELECT ") + kTaskColumns +
                                      " FROM task AS t WHERE t.broker = $1 AND t.state = $2 "
                                      "ORDER BY t.number",
                                  {broker, as_value(TaskState::lost)}));
}

}  // namespace

std::vector<TakenOver> SqlRegistry::take_over(const BrokerRecord& self, TakeOverScope scope) {
  check(self);
  bool anything = false;
  database().transact(Access::read, [&](SqlTransaction& transaction) {
    require_registered(transaction, self.id);
    anything =
        !gone_brokers(transaction, self, scope).empty() || !left_over(transaction, scope).empty();
  });
  std::vector<TakenOver> taken;
  if (!anything) return taken;
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    taken.clear();
    require_registered(transaction, self.id);
    const Causes causes = gone_brokers(transaction, self, scope);
    for (const auto& [id, cause] : causes) {
      auto keys = keys_of(transaction, id);
      const bool is_left = scope == TakeOverScope::dead_without_keys && !keys.empty();
      claim(transaction, id, is_left ? id : self.id);
      auto tasks = lose_tasks(transaction, id, cause, "broker " + self.id);
      taken.push_back({find_broker(transaction, id), std::move(tasks), std::move(keys)});
    }
    for (const SqlRow& row : left_over(transaction, scope)) {
      const BrokerRecord broker = broker_in(row);
      claim(transaction, broker.id, self.id);
      taken.push_back(
          {broker, lost_tasks(transaction, broker.id), keys_of(transaction, broker.id)});
    }
  });
  return taken;
}

void SqlRegistry::finish_take_over(const std::string& self, const std::string& broker) {
  check_broker_id(self);
  check_broker_id(broker);
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    transaction.run(
        "UPDATE broker SET phase = $3 WHERE id = $2 AND taken_by = $1 AND phase = $4",
        {self, broker, as_value(BrokerPhase::cleared_up), as_value(BrokerPhase::taken_over)});
  });
}

}  // namespace mayfly
