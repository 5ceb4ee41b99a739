// SqlRegistry's tasks: their opening, their states and what is known of them.
#include <limits>

#include "base/safeguard.h"
#include "registry/record_checks.h"
#include "registry/registry_refused.h"
#include "registry/spent_grants.h"
#include "registry/sql_registry.h"
#include "registry/sql_steps.h"

namespace mayfly {
namespace {

using Access = SqlDatabase::Access;

constexpr std::uint32_t kMostAtOnce = 100'000;

/// The serial is taken. That is well if its task is the one that is to be: its opening was done and
/// not answered.
void require_the_same(SqlTransaction& transaction, const NewTask& task,
                      const std::optional<GrantUse>& grant) {
  const TaskRecord there = tasks_in(transaction.run(std::string("SELECT ") + kTaskColumns +
                                                        " FROM task AS t WHERE t.serial = $1",
                                                    {task.serial}))
                               .at(0);
  const auto name = grant ? std::optional(grant->name) : std::nullopt;
  const bool same = there.id == task.id && there.agent == task.agent &&
                    there.parent == task.parent && there.broker == task.broker &&
                    there.deadline == task.deadline && there.grant == name;
  if (same && !is_final(there.state)) return;
  throw Error(CKR_ARGUMENTS_BAD, "the serial " + task.serial + " was given to a task before");
}

void require_parent(SqlTransaction& transaction, const NewTask& task) {
  const SqlRows rows = transaction.run(
      "SELECT state, revocation, deadline FROM task WHERE serial = $1", {task.parent});
  if (rows.empty() || is_final(state_in(rows[0].number(0))) || !rows[0].is_null(1)) {
    throw RegistryRefused(RegistryRefusal::parent_is_gone, CKR_FUNCTION_REJECTED,
                          "task " + task.id + " can't be opened below " + task.parent +
                              ", which has ended or is about to be revoked");
  }
  if (rows[0].number(2) < static_cast<std::int64_t>(task.deadline)) {
    throw RegistryRefused(RegistryRefusal::outlives_parent, CKR_FUNCTION_REJECTED,
                          "task " + task.id + " would outlive the task above it; shorten its ttl");
  }
}

/// @return false if there is a task of its serial.
bool insert(SqlTransaction& transaction, const NewTask& task, const std::optional<GrantUse>& grant,
            const std::string& actor) {
  SqlValue issuer;
  SqlValue id;
  if (grant) {
    issuer = grant->name.issuer;
    id = grant->name.id;
  }
  const SqlRows inserted = transaction.run(
      "INSERT INTO task(serial, id, agent, parent, broker, deadline, grant_issuer, grant_id, "
      "state, opened) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
      "ON CONFLICT (serial) DO NOTHING RETURNING number",
      {task.serial, task.id, task.agent, task.parent, task.broker,
       static_cast<std::int64_t>(task.deadline), issuer, id, as_value(TaskState::open),
       transaction.now()});
  if (inserted.empty()) return false;
  transaction.run(
      "INSERT INTO task_transition(serial, became, at, cause, actor) VALUES ($1, $2, $3, $4, $5)",
      {task.serial, as_value(TaskState::open), transaction.now(), std::string("opened"), actor});
  return true;
}

/// The state of a task that must be known.
TaskState state_of(SqlTransaction& transaction, const std::string& serial) {
  const SqlRows rows = transaction.run("SELECT state FROM task WHERE serial = $1", {serial});
  if (rows.empty()) {
    throw Error(CKR_ARGUMENTS_BAD, "the registry knows no task of the serial " + serial);
  }
  return state_in(rows[0].number(0));
}

void end_what_is_below(SqlTransaction& transaction, const std::string& serial,
                       const std::string& cause, const std::string& actor) {
  const std::string below =
      std::string("SELECT serial FROM task WHERE parent = $1 AND state ") + kOpenStates;
  if (transaction.run(below, {serial}).empty()) return;
  order_end(transaction, below, {serial}, {RevocationTarget::Kind::serial, serial, ""},
            "the task above has ended: " + cause, actor);
}

/// @return false if the task had ended already.
bool move(SqlTransaction& transaction, const TaskChange& change) {
  const TaskState from = state_of(transaction, change.serial);
  if (is_final(from)) return false;
  if (!may_move(from, change.to)) {
    throw Error(CKR_ARGUMENTS_BAD, "task " + change.serial + " is " + to_string(from) +
                                       " and can't become " + to_string(change.to));
  }
  SqlValue ended;
  if (is_final(change.to)) ended = transaction.now();
  SqlValue ledger_key;
  if (!change.ledger_key.empty()) ledger_key = change.ledger_key;
  transaction.run(
      "UPDATE task SET state = $2, ended = $3, ledger_key = COALESCE(ledger_key, $4) "
      "WHERE serial = $1",
      {change.serial, as_value(change.to), ended, ledger_key});
  transaction.run(
      "INSERT INTO task_transition(serial, was, became, at, cause, actor) "
      "VALUES ($1, $2, $3, $4, $5, $6)",
      {change.serial, as_value(from), as_value(change.to), transaction.now(), change.cause,
       change.actor});
  if (is_final(change.to)) {
    end_what_is_below(transaction, change.serial, change.cause, change.actor);
  }
  return true;
}

}  // namespace

void SqlRegistry::open_task(const NewTask& task, const std::optional<GrantUse>& grant,
                            const std::string& actor) {
  check(task);
  check_actor(actor);
  if (grant) check(*grant);
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    if (!insert(transaction, task, grant, actor)) {
      require_the_same(transaction, task, grant);
      return;
    }
    require_registered(transaction, task.broker);
    if (!task.parent.empty()) require_parent(transaction, task);
    if (grant && kept(Safeguard::grant_spent)) spend(transaction, *grant);
  });
}

std::size_t SqlRegistry::move_tasks(const std::vector<TaskChange>& changes) {
  for (const TaskChange& change : changes) check(change);
  std::size_t moved = 0;
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    moved = 0;
    bool some_ended = false;
    for (const TaskChange& change : changes) {
      if (!move(transaction, change)) continue;
      ++moved;
      some_ended = some_ended || is_final(change.to);
    }
    if (some_ended) transaction.announce();
  });
  return moved;
}

std::vector<TaskRecord> SqlRegistry::tasks(const TaskFilter& filter) {
  SqlValues values = {checked_number(filter.after, "where a page of tasks begins")};
  std::string statement =
      std::string("SELECT ") + kTaskColumns + " FROM task AS t WHERE t.number > $1";
  const auto narrow = [&](const char* column, const std::string& wanted) {
    if (wanted.empty()) return;
    values.emplace_back(wanted);
    statement += std::string(" AND t.") + column + " = $" + std::to_string(values.size());
  };
  narrow("serial", filter.serial);
  narrow("id", filter.id);
  narrow("agent", filter.agent);
  narrow("broker", filter.broker);
  narrow("parent", filter.parent);
  if (!filter.host.empty()) {
    values.emplace_back(filter.host);
    statement += " AND t.broker IN (SELECT id FROM broker WHERE host = $" +
                 std::to_string(values.size()) + ")";
  }
  if (!filter.ended_too) statement += std::string(" AND t.state ") + kOpenStates;
  statement += " ORDER BY t.number LIMIT " + std::to_string(std::min(filter.most, kMostAtOnce));
  std::vector<TaskRecord> tasks;
  database().transact(Access::read, [&](SqlTransaction& transaction) {
    tasks = tasks_in(transaction.run(statement, values));
  });
  return tasks;
}

std::vector<TaskTransition> SqlRegistry::transitions(const std::string& serial) {
  std::vector<TaskTransition> transitions;
  database().transact(Access::read, [&](SqlTransaction& transaction) {
    transitions.clear();
    for (const SqlRow& row :
         transaction.run("SELECT was, became, at, cause, actor FROM task_transition "
                         "WHERE serial = $1 ORDER BY number",
                         {serial})) {
      TaskTransition transition;
      if (!row.is_null(0)) transition.from = state_in(row.number(0));
      transition.to = state_in(row.number(1));
      transition.at = static_cast<std::uint64_t>(row.number(2));
      transition.cause = row.text(3);
      transition.actor = row.text(4);
      transitions.push_back(std::move(transition));
    }
  });
  return transitions;
}

std::vector<TaskRecord> SqlRegistry::children(const std::string& serial) {
  std::vector<TaskRecord> tasks;
  database().transact(Access::read, [&](SqlTransaction& transaction) {
    tasks = tasks_in(transaction.run(
        std::string("WITH RECURSIVE below(serial, depth) AS (SELECT serial, 1 FROM task WHERE "
                    "parent = $1 AND state ") +
            kOpenStates +
            " UNION ALL SELECT t.serial, b.depth + 1 FROM task AS t JOIN below AS b ON "
            "t.parent = b.serial WHERE t.state " +
            kOpenStates + ") SELECT " + kTaskColumns +
            " FROM task AS t JOIN below AS b ON b.serial = t.serial "
            "ORDER BY b.depth DESC, t.number DESC",
        {serial}));
  });
  return tasks;
}

}  // namespace mayfly
