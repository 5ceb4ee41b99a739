#include "registry/sqlite/connection.h"

#include <memory>
#include <thread>

#include "base/random.h"

namespace mayfly::sqlite {
namespace {

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

/// Waits a moment for whoever has the lock. SQLite's own way to wait grows to 100 ms, and those who
/// have waited long starve.
int wait_a_moment(void* deadline, int) {
  if (Connection::Clock::now() >= *static_cast<Connection::Clock::time_point*>(deadline)) return 0;
  std::array<std::uint8_t, 1> dice{};
  try {
    fill_random(dice, "a pause");
  } catch (const Error&) {  // then as good as any
  }
  std::this_thread::sleep_for(std::chrono::microseconds(500 + dice[0] * 16));
  return 1;
}

SqlValue cell(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return std::int64_t{sqlite3_column_int64(statement, column)};
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, column)));
    }
    case SQLITE_BLOB: {
      const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, column));
      return Bytes(data, data + sqlite3_column_bytes(statement, column));
    }
    default:
      return {};
  }
}

}  // namespace

Connection::Connection(const std::filesystem::path& file, Clock::time_point deadline)
    : file_(file.string()), deadline_(deadline) {
  const int result = sqlite3_open_v2(file.c_str(), &database_,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX |
                                         SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE,
                                     kFileSystem);
  try {
    if (result != SQLITE_OK) fail(result);
    sqlite3_extended_result_codes(database_, 1);
    sqlite3_busy_handler(database_, wait_a_moment, &deadline_);
    // What is committed is on the disk, whether the file has a write-ahead log or a journal; of the
    // latter its removal too.
    run("PRAGMA synchronous=EXTRA");
  } catch (...) {
    sqlite3_close(database_);
    throw;
  }
}

Connection::~Connection() { sqlite3_close(database_); }

void Connection::fail(int result) const {
  const std::string message =
      file_ + ": " + (database_ == nullptr ? sqlite3_errstr(result) : sqlite3_errmsg(database_)) +
      "; " + advice(result);
  if ((result & 0xff) == SQLITE_BUSY) throw SqlConflict(CKR_FUNCTION_FAILED, message);
  throw Error(CKR_FUNCTION_FAILED, message);
}

void Connection::bind(sqlite3_stmt* statement, int index, const SqlValue& value) const {
  int result = SQLITE_OK;
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    result = sqlite3_bind_int64(statement, index, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    result = sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_TRANSIENT,
                                 SQLITE_UTF8);
  } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
    result = sqlite3_bind_blob64(statement, index, bytes->data(), bytes->size(), SQLITE_TRANSIENT);
  }
  if (result != SQLITE_OK) fail(result);
}

SqlRows Connection::run(const std::string& text, const SqlValues& values) {
  sqlite3_stmt* prepared = nullptr;
  const int result =
      sqlite3_prepare_v2(database_, text.data(), static_cast<int>(text.size()), &prepared, nullptr);
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement(prepared,
                                                                             sqlite3_finalize);
  if (result != SQLITE_OK) fail(result);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string name = "$" + std::to_string(i + 1);
    bind(prepared, sqlite3_bind_parameter_index(prepared, name.c_str()), values[i]);
  }
  SqlRows rows;
  for (;;) {
    const int step = sqlite3_step(prepared);
    if (step == SQLITE_DONE) return rows;
    if (step != SQLITE_ROW) fail(step);
    SqlValues cells;
    for (int column = 0; column < sqlite3_column_count(prepared); ++column) {
      cells.push_back(cell(prepared, column));
    }
    rows.emplace_back(std::move(cells));
  }
}

}  // namespace mayfly::sqlite
