// SqlRegistry's brokers and their leases.
#include "registry/record_checks.h"
#include "registry/sql_registry.h"
#include "registry/sql_steps.h"

namespace mayfly {

using Access = SqlDatabase::Access;

void SqlRegistry::register_broker(const BrokerRecord& broker, std::chrono::milliseconds lease) {
  check(broker);
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    const LeaseTime time = transaction.lease_time();
    const SqlRows rows = transaction.run(
        "INSERT INTO broker(id, host, process, phase, lease_until, lease_era, registered) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) "
        "ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, "
        "lease_era = excluded.lease_era WHERE broker.phase = excluded.phase "
        "AND broker.host = excluded.host AND broker.process = excluded.process RETURNING id",
        {broker.id, broker.host, broker.process.text(), as_value(BrokerPhase::registered),
         time.milliseconds + lease.count(), time.era, transaction.now()});
    if (rows.empty()) {
      throw Error(CKR_ARGUMENTS_BAD,
                  "the broker's ID is another's, or that of an earlier life of "
                  "it; make a new one");
    }
  });
}

bool SqlRegistry::renew_lease(const std::string& broker, std::chrono::milliseconds lease) {
  check_broker_id(broker);
  bool renewed = false;
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    const LeaseTime time = transaction.lease_time();
    renewed = !transaction
                   .run(
                       "UPDATE broker SET lease_until = $2, lease_era = $3 "
                       "WHERE id = $1 AND phase = $4 RETURNING id",
                       {broker, time.milliseconds + lease.count(), time.era,
                        as_value(BrokerPhase::registered)})
                   .empty();
  });
  return renewed;
}

void SqlRegistry::end_broker(const std::string& broker, const std::string& actor) {
  check_broker_id(broker);
  check_actor(actor);
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    const SqlRows ended = transaction.run(
        "UPDATE broker SET phase = $2, ended = $3 WHERE id = $1 AND phase = $4 RETURNING id",
        {broker, as_value(BrokerPhase::ended), transaction.now(),
         as_value(BrokerPhase::registered)});
    if (!ended.empty()) lose_tasks(transaction, broker, "its broker has ended", actor);
  });
}

std::vector<BrokerRecord> SqlRegistry::brokers() {
  std::vector<BrokerRecord> brokers;
  database().transact(Access::read, [&](SqlTransaction& transaction) {
    brokers.clear();
    for (const SqlRow& row :
         transaction.run(std::string("SELECT ") + kBrokerColumns +
                             " FROM broker AS b WHERE b.phase = $1 ORDER BY b.registered, b.id",
                         {as_value(BrokerPhase::registered)})) {
      brokers.push_back(broker_in(row));
    }
  });
  return brokers;
}

}  // namespace mayfly
