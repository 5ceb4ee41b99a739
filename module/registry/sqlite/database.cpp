#include "registry/sqlite/database.h"

#include "base/error.h"

namespace mayfly::sqlite {
namespace {

constexpr int kPatienceMilliseconds = 10'000;
// By name, and with a cache of its own: the host may have set other defaults for itself.
constexpr char kFileSystem[] = "unix";

const char* advice(int result) {
  switch (result & 0xff) {
    case SQLITE_FULL:
      return "make room on its disk";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return "the process's user must be able to write the file and its folder";
    case SQLITE_BUSY:
      return "another process keeps it locked; look for one that hangs";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "restore it from a backup, or remove it and run: mayfly reap";
    default:
      return "check the file and its disk";
  }
}

[[noreturn]] void fail(sqlite3* database, int result) {
  const char* name = sqlite3_db_filename(database, "main");
  throw Error(CKR_FUNCTION_FAILED, std::string(name == nullptr ? "the registry" : name) + ": " +
                                       sqlite3_errmsg(database) + "; " + advice(result));
}

}  // namespace

Statement::Statement(sqlite3* database, const char* sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v2(database, sql, -1, &statement, nullptr);
  statement_.reset(statement);
  if (result != SQLITE_OK) fail(database, result);
}

void Statement::check_bound(int result) {
  if (result != SQLITE_OK) fail(database_, result);
}

Statement& Statement::bind(ByteView blob) {
  check_bound(sqlite3_bind_blob64(statement_.get(), ++parameters_, blob.data(), blob.size(),
                                  SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::bind(const std::string& text) {
  check_bound(sqlite3_bind_text64(statement_.get(), ++parameters_, text.data(), text.size(),
                                  SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  check_bound(sqlite3_bind_int64(statement_.get(), ++parameters_, number));
  return *this;
}

bool Statement::step() {
  const int result = sqlite3_step(statement_.get());
  if (result != SQLITE_ROW && result != SQLITE_DONE) fail(database_, result);
  return result == SQLITE_ROW;
}

Bytes Statement::blob(int column) const {
  const auto* data =
      static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_.get(), column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return data == nullptr ? Bytes() : Bytes(data, data + size);
}

std::string Statement::text(int column) const { return std::string(as_text(blob(column))); }

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

Database::Database(const std::filesystem::path& file) {
  const int result = sqlite3_open_v2(file.c_str(), &database_,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX |
                                         SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE,
                                     kFileSystem);
  try {
    if (result != SQLITE_OK) {
      throw Error(CKR_FUNCTION_FAILED,
                  file.string() + ": " + sqlite3_errstr(result) + "; " + advice(result));
    }
    sqlite3_extended_result_codes(database_, 1);
    sqlite3_busy_timeout(database_, kPatienceMilliseconds);
    // The journal stays a rollback journal: with the connection closed after each transaction, WAL
    // would be checkpointed each time. EXTRA: also its removal is on the disk at the commit.
    execute("PRAGMA synchronous=EXTRA");
    execute("BEGIN IMMEDIATE");
  } catch (...) {
    sqlite3_close(database_);
    throw;
  }
}

Database::~Database() { sqlite3_close(database_); }

void Database::execute(const char* sql) {
  const int result = sqlite3_exec(database_, sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) fail(database_, result);
}

}  // namespace mayfly::sqlite
