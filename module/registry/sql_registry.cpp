#include "registry/sql_registry.h"

#include <fstream>

#include "base/hash.h"
#include "base/random.h"
#include "registry/schema.h"

namespace mayfly {
namespace {

/// The machine's own ID (machine-id(5)); empty where there is none, as in many containers.
std::string machine_id() {
  std::ifstream file("/etc/machine-id");
  std::string id;
  std::getline(file, id);
  return id;
}

}  // namespace

SqlRegistry::SqlRegistry(std::unique_ptr<SqlDatabase> database) : database_(std::move(database)) {
  migrate(*database_);
  database_->transact(SqlDatabase::Access::read, [this](SqlTransaction& transaction) {
    const SqlRows rows = transaction.run("SELECT uuid FROM registry");
    if (rows.empty()) {
      throw Error(CKR_GENERAL_ERROR,
                  database_->name() + ": is no registry; restore it, or move it away");
    }
    Hasher hasher(Hash::sha256);
    hasher.update(rows[0].bytes(0));
    hasher.update(as_bytes(machine_id()));
    host_ = to_hex(hasher.finish()).substr(0, kHostDigits);
  });
}

std::string make_broker_id() { return random_hex(8, "a broker's ID"); }

}  // namespace mayfly
