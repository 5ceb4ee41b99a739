// SqlRegistry's record of stored keys.
#include "registry/record_checks.h"
#include "registry/sql_registry.h"
#include "registry/sql_rows.h"

namespace mayfly {

using Access = SqlDatabase::Access;

void SqlRegistry::add_stored_key(const StoredKeyRecord& record) {
  check(record);
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    transaction.run(
        "INSERT INTO stored_key(id, label, device, task_id, task_serial, recorded, given_up) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        {record.id, record.label, record.device, record.task_id, record.task_serial,
         transaction.now() / 1'000, std::int64_t{record.given_up}});
  });
}

void SqlRegistry::remove_stored_key(ByteView id) {
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    transaction.run("DELETE FROM stored_key WHERE id = $1", {to_bytes(id)});
  });
}

void SqlRegistry::give_up_stored_key(ByteView id) {
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    transaction.run("UPDATE stored_key SET given_up = 1 WHERE id = $1", {to_bytes(id)});
  });
}

std::vector<StoredKeyRecord> SqlRegistry::stored_keys(const std::string& device) {
  std::vector<StoredKeyRecord> records;
  database().transact(Access::read, [&](SqlTransaction& transaction) {
    records = stored_keys_in(
        transaction.run("SELECT " + std::string(kStoredKeyColumns) +
                            " FROM stored_key AS k WHERE k.device = $1 ORDER BY k.recorded, k.id",
                        {device}));
  });
  return records;
}

}  // namespace mayfly
