// SQLite, as far as the registry needs it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <sqlite3.h>
#include <string>

#include "base/bytes.h"

namespace mayfly::sqlite {

/// One statement, with its parameters bound in order.
class Statement {
 public:
  /// @throws Error CKR_FUNCTION_FAILED, as all functions here, with SQLite's reason.
  Statement(sqlite3* database, const char* sql);

  Statement& bind(ByteView blob);
  Statement& bind(const std::string& text);
  Statement& bind(std::int64_t number);

  /// Goes to the next row. @return false after the last.
  bool step();
  [[nodiscard]] Bytes blob(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::int64_t number(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };

  void check_bound(int result);

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int parameters_ = 0;
};

/// Database is one connection, opened for one transaction and closed after it.
///
/// It is not kept open on purpose: a host may close descriptors that are not its own and give their
/// numbers to other files, into which SQLite would then write; and what a forked child has of an
/// open connection must not be used.
class Database {
 public:
  /// Opens the file and begins a transaction that writes. Waits up to ten seconds for other
  /// processes.
  explicit Database(const std::filesystem::path& file);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  [[nodiscard]] Statement prepare(const char* sql) { return {database_, sql}; }
  void execute(const char* sql);

  /// Makes the transaction's changes durable. Without it they are undone.
  void commit() { execute("COMMIT"); }

 private:
  sqlite3* database_ = nullptr;
};

}  // namespace mayfly::sqlite
