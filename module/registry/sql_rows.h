// Records as rows of the database.
#pragma once

#include "registry/records.h"
#include "registry/sql_database.h"

namespace mayfly {

/// Columns of `stored_key AS k` that make a StoredKeyRecord.
inline constexpr char kStoredKeyColumns[] =
    "k.id, k.label, k.device, k.task_id, k.task_serial, k.given_up";
[[nodiscard]] std::vector<StoredKeyRecord> stored_keys_in(const SqlRows& rows);

/// Columns of `broker AS b` that make a BrokerRecord.
inline constexpr char kBrokerColumns[] = "b.id, b.host, b.process";
[[nodiscard]] BrokerRecord broker_in(const SqlRow& row);

/// Columns of `task AS t` that make a TaskRecord.
inline constexpr char kTaskColumns[] =
    "t.number, t.serial, t.id, t.agent, t.parent, t.broker, t.deadline, t.grant_issuer, "
    "t.grant_id, t.state, t.opened, t.ended, t.revocation, t.ledger_key";
[[nodiscard]] std::vector<TaskRecord> tasks_in(const SqlRows& rows);

/// What a broker's row is in.
enum class BrokerPhase { registered, ended, taken_over, cleared_up };

/// A state, as it stands in a row.
[[nodiscard]] TaskState state_in(std::int64_t number);
[[nodiscard]] inline SqlValue as_value(TaskState state) { return static_cast<std::int64_t>(state); }
[[nodiscard]] inline SqlValue as_value(BrokerPhase phase) {
  return static_cast<std::int64_t>(phase);
}

}  // namespace mayfly
