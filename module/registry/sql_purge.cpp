// What SqlRegistry forgets.
#include "registry/record_checks.h"
#include "registry/sql_registry.h"
#include "registry/sql_rows.h"

namespace mayfly {
namespace {

using Access = SqlDatabase::Access;

// At a time, so that others don't wait for it.
constexpr char kSome[] = " LIMIT 500";

std::size_t purge_tasks(SqlTransaction& transaction, std::int64_t before) {
  // A task of which a key may be left on a device is still needed to find whose it is.
  const SqlRows tasks = transaction.run(
      std::string("DELETE FROM task WHERE serial IN (SELECT t.serial FROM task AS t "
                  "WHERE t.ended IS NOT NULL AND t.ended < $1 AND NOT EXISTS "
                  "(SELECT 1 FROM stored_key AS k WHERE k.task_serial = t.serial)") +
          kSome + ") RETURNING serial",
      {before});
  for (const SqlRow& task : tasks) {
    transaction.run("DELETE FROM task_transition WHERE serial = $1", {task.text(0)});
  }
  return tasks.size();
}

}  // namespace

std::size_t SqlRegistry::purge(std::chrono::seconds history) {
  std::size_t gone = 0;
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    const std::int64_t before = transaction.now() - std::chrono::milliseconds(history).count();
    const std::int64_t now_s = transaction.now() / 1'000;
    const auto purge = [&](const std::string& rows, const SqlValues& values) {
      return transaction.run(rows, values).size();
    };
    gone = purge_tasks(transaction, before);
    gone += purge(std::string("DELETE FROM spent_grant WHERE keep_until IN (SELECT keep_until "
                              "FROM spent_grant WHERE keep_until < $1") +
                      kSome + ") RETURNING id",
                  {now_s});
    gone += purge("DELETE FROM revoked_grant WHERE keep_until < $1 RETURNING id", {now_s});
    gone += purge(std::string("DELETE FROM ticket WHERE hash IN (SELECT hash FROM ticket WHERE "
                              "expires <= $1") +
                      kSome + ") RETURNING expires",
                  {now_s});
    gone += purge(std::string("DELETE FROM broker WHERE id IN (SELECT b.id FROM broker AS b WHERE "
                              "b.phase IN ($2, $3) AND b.ended < $1 AND NOT EXISTS "
                              "(SELECT 1 FROM task AS t WHERE t.broker = b.id)") +
                      kSome + ") RETURNING id",
                  {before, as_value(BrokerPhase::ended), as_value(BrokerPhase::cleared_up)});
    gone += purge(std::string("DELETE FROM revocation WHERE number IN (SELECT r.number FROM "
                              "revocation AS r WHERE r.at < $1 AND NOT EXISTS "
                              "(SELECT 1 FROM task AS t WHERE t.revocation = r.number)") +
                      kSome + ") RETURNING number",
                  {before});
  });
  return gone;
}

}  // namespace mayfly
