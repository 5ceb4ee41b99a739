#include "registry/sql_steps.h"

#include "base/utf8.h"
#include "registry/registry_refused.h"

namespace mayfly {

void require_registered(SqlTransaction& transaction, const std::string& broker) {
  const SqlRows rows = transaction.run("SELECT phase FROM broker WHERE id = $1", {broker});
  if (!rows.empty() && SqlValue(rows[0].number(0)) == as_value(BrokerPhase::registered)) return;
  throw RegistryRefused(RegistryRefusal::broker_is_gone, CKR_FUNCTION_REJECTED,
                        "broker " + broker +
                            " is not registered any more: its lease ran out and another took it "
                            "over, or it has ended");
}

std::vector<TaskRecord> order_end(SqlTransaction& transaction, const std::string& chosen,
                                  SqlValues values, const RevocationTarget& target,
                                  const std::string& reason, const std::string& actor) {
  const std::string subtree = "WITH RECURSIVE chosen(serial) AS (" + chosen +
                              " UNION SELECT t.serial FROM task AS t JOIN chosen AS c ON "
                              "t.parent = c.serial WHERE t.state " +
                              kOpenStates + ") ";
  std::vector<TaskRecord> tasks = tasks_in(transaction.run(
      subtree + "SELECT " + kTaskColumns +
          " FROM task AS t JOIN chosen AS c ON c.serial = t.serial ORDER BY t.number",
      values));
  const SqlRows number = transaction.run(
      "INSERT INTO revocation(target, value, grant_issuer, reason, actor, at) "
      "VALUES ($1, $2, $3, $4, $5, $6) RETURNING number",
      {static_cast<std::int64_t>(target.kind), target.value, target.grant_issuer,
       std::string(utf8_prefix(reason, kMostCause)), actor, transaction.now()});
  values.emplace_back(number.at(0).number(0));
  transaction.run(subtree + "UPDATE task SET revocation = $" + std::to_string(values.size()) +
                      " WHERE revocation IS NULL AND serial IN (SELECT serial FROM chosen)",
                  values);
  for (TaskRecord& task : tasks) task.revocation_requested = true;
  transaction.announce();
  return tasks;
}

std::vector<TaskRecord> lose_tasks(SqlTransaction& transaction, const std::string& broker,
                                   const std::string& cause, const std::string& actor) {
  const std::string open_tasks = std::string("WHERE broker = $1 AND state ") + kOpenStates;
  std::vector<TaskRecord> tasks =
      tasks_in(transaction.run(std::string("SELECT ") + kTaskColumns + " FROM task AS t " +
                                   open_tasks + " ORDER BY t.number",
                               {broker}));
  if (tasks.empty()) return tasks;
  const std::string elsewhere = "SELECT serial FROM task WHERE broker <> $1 AND state " +
                                std::string(kOpenStates) +
                                " AND parent IN (SELECT serial FROM task " + open_tasks + ")";
  if (!transaction.run(elsewhere, {broker}).empty()) {
    order_end(transaction, elsewhere, {broker}, {}, "the task above was lost: " + cause, actor);
  }
  transaction.run(
      "INSERT INTO task_transition(serial, was, became, at, cause, actor) "
      "SELECT serial, state, $2, $3, $4, $5 FROM task " +
          open_tasks,
      {broker, as_value(TaskState::lost), transaction.now(), cause, actor});
  transaction.run("UPDATE task SET state = $2, ended = $3 " + open_tasks,
                  {broker, as_value(TaskState::lost), transaction.now()});
  for (TaskRecord& task : tasks) {
    task.state = TaskState::lost;
    task.ended = static_cast<std::uint64_t>(transaction.now());
  }
  transaction.announce();
  return tasks;
}

}  // namespace mayfly
