#include "registry/sql_rows.h"

namespace mayfly {
namespace {

[[noreturn]] void spoilt(const char* what) {
  throw Error(CKR_FUNCTION_FAILED, std::string("the registry holds ") + what +
                                       " that makes no sense; restore it from a backup");
}

std::uint64_t unsigned_in(const SqlRow& row, std::size_t column) {
  return row.is_null(column) ? 0 : static_cast<std::uint64_t>(row.number(column));
}

TaskRecord task_in(const SqlRow& row) {
  TaskRecord task;
  task.number = unsigned_in(row, 0);
  task.serial = row.text(1);
  task.id = row.text(2);
  task.agent = row.text(3);
  task.parent = row.text(4);
  task.broker = row.text(5);
  task.deadline = unsigned_in(row, 6);
  if (!row.is_null(8)) task.grant = GrantName{row.text(7), row.text(8)};
  task.state = state_in(row.number(9));
  task.opened = unsigned_in(row, 10);
  task.ended = unsigned_in(row, 11);
  task.revocation_requested = !row.is_null(12);
  if (!row.is_null(13)) task.ledger_key = row.bytes(13);
  return task;
}

}  // namespace

TaskState state_in(std::int64_t number) {
  if (number < 0 || static_cast<std::size_t>(number) >= kTaskStates) spoilt("a state");
  return static_cast<TaskState>(number);
}

std::vector<StoredKeyRecord> stored_keys_in(const SqlRows& rows) {
  std::vector<StoredKeyRecord> records;
  records.reserve(rows.size());
  for (const SqlRow& row : rows) {
    records.push_back(
        {row.bytes(0), row.text(1), row.text(2), row.text(3), row.text(4), row.number(5) != 0});
  }
  return records;
}

BrokerRecord broker_in(const SqlRow& row) {
  const auto process = ProcessIdentity::parse(row.text(2));
  if (!process) spoilt("a process");
  return {row.text(0), row.text(1), *process};
}

std::vector<TaskRecord> tasks_in(const SqlRows& rows) {
  std::vector<TaskRecord> tasks;
  tasks.reserve(rows.size());
  for (const SqlRow& row : rows) tasks.push_back(task_in(row));
  return tasks;
}

}  // namespace mayfly
