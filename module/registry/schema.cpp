#include "registry/schema.h"

#include <array>
#include <span>

#include "base/random.h"

namespace mayfly {
namespace {

constexpr std::size_t kUuidBytes = 16;

// A statement a line. NUMBER, BYTES and COUNTER stand for the database's own types. What was
// written once is never changed: a file of that version is somewhere.
constexpr const char* kVersion1[] = {
    "CREATE TABLE registry(uuid BYTES NOT NULL)",
    "CREATE TABLE stored_key(id BYTES NOT NULL PRIMARY KEY, label TEXT NOT NULL, "
    "device TEXT NOT NULL, task_id TEXT NOT NULL, recorded NUMBER NOT NULL, "
    "given_up NUMBER NOT NULL DEFAULT 0)",
    "CREATE INDEX stored_key_of_device ON stored_key(device)",
};

constexpr const char* kVersion2[] = {
    // A mayfly of version 1 that has the file open goes on to write it: hence the default.
    "ALTER TABLE stored_key ADD COLUMN task_serial TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX stored_key_of_task ON stored_key(task_serial)",
    // phase: 0 registered, 1 ended, 2 taken over by taken_by, 3 cleared up
    "CREATE TABLE broker(id TEXT NOT NULL PRIMARY KEY, host TEXT NOT NULL, process TEXT NOT NULL, "
    "phase NUMBER NOT NULL, lease_until NUMBER NOT NULL, lease_era TEXT NOT NULL, "
    "taken_by TEXT, registered NUMBER NOT NULL, ended NUMBER)",
    "CREATE INDEX broker_of_phase ON broker(phase)",
    // state: TaskState; revocation: the number of the first that asks for its end
    "CREATE TABLE task(number COUNTER, serial TEXT NOT NULL UNIQUE, id TEXT NOT NULL, "
    "agent TEXT NOT NULL, parent TEXT NOT NULL, broker TEXT NOT NULL, deadline NUMBER NOT NULL, "
    "grant_issuer TEXT, grant_id TEXT, state NUMBER NOT NULL, opened NUMBER NOT NULL, "
    "ended NUMBER, revocation NUMBER)",
    "CREATE INDEX task_of_broker ON task(broker, state)",
    "CREATE INDEX task_of_parent ON task(parent, state)",
    "CREATE INDEX task_of_id ON task(id, state)",
    "CREATE INDEX task_of_agent ON task(agent, state)",
    "CREATE INDEX task_of_grant ON task(grant_id, state)",
    "CREATE INDEX task_of_end ON task(ended)",
    "CREATE INDEX task_of_revocation ON task(revocation)",
    "CREATE TABLE task_transition(number COUNTER, serial TEXT NOT NULL, was NUMBER, "
    "became NUMBER NOT NULL, at NUMBER NOT NULL, cause TEXT NOT NULL, actor TEXT NOT NULL)",
    "CREATE INDEX transition_of_task ON task_transition(serial)",
    "CREATE TABLE spent_grant(issuer TEXT NOT NULL, id TEXT NOT NULL, revoked NUMBER NOT NULL, "
    "keep_until NUMBER NOT NULL, PRIMARY KEY(id, issuer))",
    "CREATE INDEX spent_grant_to_purge ON spent_grant(keep_until)",
    // Grants that are revoked whoever issued them. A table of their own: what all openings write
    // and read would make each of them meet all others.
    "CREATE TABLE revoked_grant(id TEXT NOT NULL PRIMARY KEY, keep_until NUMBER NOT NULL)",
    "CREATE TABLE revocation(number COUNTER, target NUMBER NOT NULL, value TEXT NOT NULL, "
    "grant_issuer TEXT NOT NULL, reason TEXT NOT NULL, actor TEXT NOT NULL, at NUMBER NOT NULL)",
    "CREATE TABLE ticket(hash BYTES NOT NULL PRIMARY KEY, grant_text TEXT NOT NULL, "
    "expires NUMBER NOT NULL)",
    "CREATE INDEX ticket_to_purge ON ticket(expires)",
};

constexpr const char* kVersion3[] = {
    // The SubjectPublicKeyInfo of the key that seals the task's ledger.
    "ALTER TABLE task ADD COLUMN ledger_key BYTES",
};

constexpr std::array<std::span<const char* const>, kSchemaVersion> kSteps = {kVersion1, kVersion2,
                                                                             kVersion3};

void replace_all(std::string& text, std::string_view word, const char* type) {
  for (std::size_t at = 0; (at = text.find(word, at)) != text.npos;) {
    text.replace(at, word.size(), type);
    at += std::string_view(type).size();
  }
}

std::string in_dialect(std::string statement, const SqlDatabase::Types& types) {
  replace_all(statement, "NUMBER", types.number);
  replace_all(statement, "BYTES", types.bytes);
  replace_all(statement, "COUNTER", types.counter);
  return statement;
}

void name_registry(SqlTransaction& transaction) {
  Bytes uuid(kUuidBytes);
  fill_random(uuid, "a registry");
  transaction.run("INSERT INTO registry(uuid) VALUES ($1)", {uuid});
}

}  // namespace

void migrate(SqlDatabase& database) {
  const auto refuse_newer = [&](std::int64_t found) {
    if (found <= kSchemaVersion) return;
    throw Error(CKR_GENERAL_ERROR, database.name() +
                                       ": was written by a newer mayfly; use that one, or name "
                                       "another registry");
  };
  std::int64_t found = 0;
  database.transact(SqlDatabase::Access::read,
                    [&](SqlTransaction& transaction) { found = database.version(transaction); });
  refuse_newer(found);
  if (found == kSchemaVersion) return;
  database.transact(SqlDatabase::Access::migrate, [&](SqlTransaction& transaction) {
    const std::int64_t before = database.version(transaction);  // another may have been faster
    refuse_newer(before);
    for (auto step = static_cast<std::size_t>(before); step < kSteps.size(); ++step) {
      for (const char* statement : kSteps[step]) {
        transaction.run(in_dialect(statement, database.types()));
      }
      if (step == 0) name_registry(transaction);
    }
    if (before < kSchemaVersion) database.set_version(transaction, kSchemaVersion);
  });
}

}  // namespace mayfly
