// SqlRegistry's revocations.
#include "registry/record_checks.h"
#include "registry/spent_grants.h"
#include "registry/sql_registry.h"
#include "registry/sql_steps.h"

namespace mayfly {
namespace {

using Access = SqlDatabase::Access;

/// A query for the serials of the open tasks that a target means, and its parameters.
std::string query_for(const RevocationTarget& target, SqlValues& values) {
  const std::string open_tasks = std::string("SELECT serial FROM task WHERE state ") + kOpenStates;
  if (target.kind == RevocationTarget::Kind::all) return open_tasks;
  values.emplace_back(target.value);
  switch (target.kind) {
    case RevocationTarget::Kind::serial:
      return open_tasks + " AND serial = $1";
    case RevocationTarget::Kind::task_id:
      return open_tasks + " AND id = $1";
    case RevocationTarget::Kind::agent:
      return open_tasks + " AND agent = $1";
    default:
      break;
  }
  if (target.grant_issuer.empty()) return open_tasks + " AND grant_id = $1";
  values.emplace_back(target.grant_issuer);
  return open_tasks + " AND grant_id = $1 AND grant_issuer = $2";
}

}  // namespace

std::vector<TaskRecord> SqlRegistry::request_revocation(const RevocationTarget& target,
                                                        const std::string& reason,
                                                        const std::string& actor) {
  check(target);
  check_cause(reason);
  check_actor(actor);
  std::vector<TaskRecord> tasks;
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    if (target.kind == RevocationTarget::Kind::grant) {
      revoke(transaction, {target.grant_issuer, target.value});
    }
    SqlValues values;
    const std::string chosen = query_for(target, values);
    tasks = order_end(transaction, chosen, std::move(values), target, reason, actor);
  });
  return tasks;
}

std::vector<RevocationOrder> SqlRegistry::revocations_within(
    std::optional<std::chrono::milliseconds> patience, const std::string& broker) {
  check_broker_id(broker);
  std::vector<RevocationOrder> orders;
  const auto read = [&](SqlTransaction& transaction) {
    orders.clear();
    // What is below was opened after what is above.
    for (const SqlRow& row :
         transaction.run(std::string("SELECT t.serial, t.id, r.reason, r.actor FROM task AS t "
                                     "JOIN revocation AS r ON r.number = t.revocation "
                                     "WHERE t.broker = $1 AND t.state ") +
                             kOpenStates + " ORDER BY t.number DESC",
                         {broker})) {
      orders.push_back({row.text(0), row.text(1), row.text(2), row.text(3)});
    }
  };
  database().transact_within(patience, Access::read, read);
  return orders;
}

}  // namespace mayfly
