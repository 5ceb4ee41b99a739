// What SqlRegistry forgets.
#include "base/error.h"
#include "registry/record_checks.h"
#include "registry/sql_registry.h"
#include "registry/sql_rows.h"
#include "registry/sql_steps.h"

namespace mayfly {
namespace {

using Access = SqlDatabase::Access;

// At a time, so that others don't wait for it.
constexpr std::size_t kMostForgotten = 500;

std::string some() { return " LIMIT " + std::to_string(kMostForgotten); }

/// When what is forgotten was over, in milliseconds since 1970.
std::int64_t before(const SqlTransaction& transaction, std::chrono::seconds history) {
  return transaction.now() - std::chrono::milliseconds(history).count();
}

/// The condition for a `task AS t` that may be forgotten if it ended before $1. One of which a key
/// may be left on a device is still needed to find whose it is.
std::string is_old() {
  return std::string(
             "t.ended IS NOT NULL AND t.ended < $1 AND NOT EXISTS "
             "(SELECT 1 FROM stored_key AS k WHERE k.task_serial = t.serial) AND NOT EXISTS "
             "(SELECT 1 FROM task AS c WHERE c.parent = t.serial AND c.state ") +
         kOpenStates + ")";
}

}  // namespace

std::size_t SqlRegistry::purge(std::chrono::seconds history) {
  std::size_t gone = 0;
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    const std::int64_t before_ms = before(transaction, history);
    const auto purge = [&](const std::string& rows, const SqlValues& values) {
      return transaction.run(rows, values).size();
    };
    // Its clock may be ahead for a while: all the more time passes before a grant that was used is
    // as good as new when it is set right.
    gone = purge(
        "DELETE FROM spent_grant WHERE keep_until IN (SELECT keep_until FROM spent_grant "
        "WHERE keep_until < $1" +
            some() + ") RETURNING id",
        {before_ms / 1'000});
    gone +=
        purge("DELETE FROM revoked_grant WHERE keep_until < $1 RETURNING id", {before_ms / 1'000});
    gone += purge("DELETE FROM ticket WHERE hash IN (SELECT hash FROM ticket WHERE expires <= $1" +
                      some() + ") RETURNING expires",
                  {transaction.now() / 1'000});
    gone += purge(
        "DELETE FROM broker WHERE id IN (SELECT b.id FROM broker AS b WHERE "
        "b.phase IN ($2, $3) AND b.ended < $1 AND NOT EXISTS "
        "(SELECT 1 FROM task AS t WHERE t.broker = b.id)" +
            some() + ") RETURNING id",
        {before_ms, as_value(BrokerPhase::ended), as_value(BrokerPhase::cleared_up)});
    gone += purge(
        "DELETE FROM revocation WHERE number IN (SELECT r.number FROM revocation AS r "
        "WHERE r.at < $1 AND NOT EXISTS "
        "(SELECT 1 FROM task AS t WHERE t.revocation = r.number)" +
            some() + ") RETURNING number",
        {before_ms});
  });
  return gone;
}

std::vector<TaskRecord> SqlRegistry::old_tasks(const std::string& host,
                                               std::chrono::seconds history,
                                               const std::optional<TaskRecord>& after) {
  const std::int64_t ended = after ? checked_number(after->ended, "where a page begins") : 0;
  const std::int64_t number = after ? checked_number(after->number, "where a page begins") : 0;
  std::vector<TaskRecord> tasks;
  database().transact(Access::read, [&](SqlTransaction& transaction) {
    tasks = tasks_in(transaction.run(std::string("SELECT ") + kTaskColumns +
                                         " FROM task AS t WHERE " + is_old() +
                                         " AND t.broker IN (SELECT id FROM broker WHERE host = $2)"
                                         " AND t.ended >= $3 AND (t.ended > $3 OR t.number > $4)"
                                         " ORDER BY t.ended, t.number" +
                                         some(),
                                     {before(transaction, history), host, ended, number}));
  });
  return tasks;
}

std::map<std::string, std::uint64_t> SqlRegistry::old_tasks_by_host(std::chrono::seconds history) {
  std::map<std::string, std::uint64_t> hosts;
  database().transact(Access::read, [&](SqlTransaction& transaction) {
    hosts.clear();
    for (const SqlRow& row : transaction.run(
             "SELECT b.host, count(*) FROM task AS t JOIN broker AS b ON b.id = t.broker "
             "WHERE t.ended < $1 GROUP BY b.host",
             {before(transaction, history)})) {
      hosts[row.text(0)] = static_cast<std::uint64_t>(row.number(1));
    }
  });
  return hosts;
}

std::size_t SqlRegistry::forget_tasks(const std::vector<std::string>& serials,
                                      std::chrono::seconds history) {
  if (serials.empty()) return 0;
  if (serials.size() > kMostForgotten) {
    throw Error(CKR_ARGUMENTS_BAD, "too many tasks to forget at once");
  }
  std::size_t gone = 0;
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    SqlValues values = {before(transaction, history)};
    std::string chosen;
    for (const std::string& serial : serials) {
      values.emplace_back(serial);
      chosen += (chosen.empty() ? "$" : ", $") + std::to_string(values.size());
    }
    const std::string forgotten =
        "SELECT t.serial FROM task AS t WHERE " + is_old() + " AND t.serial IN (" + chosen + ")";
    transaction.run("DELETE FROM task_transition WHERE serial IN (" + forgotten + ")", values);
    gone = transaction
               .run("DELETE FROM task WHERE serial IN (" + forgotten + ") RETURNING serial", values)
               .size();
  });
  return gone;
}

}  // namespace mayfly
