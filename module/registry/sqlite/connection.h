// One connection to a SQLite file.
#pragma once

#include <chrono>
#include <filesystem>
#include <sqlite3.h>
#include <string>

#include "registry/sql_database.h"

namespace mayfly::sqlite {

/// Connection is open for one transaction and closed after it, but for a broker's watch.
///
/// It is not kept open on purpose: a host may close descriptors that are not its own and give their
/// numbers to other files, into which SQLite would then write; and what a forked child has of an
/// open connection must not be used.
class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  /// Opens the file. @throws as run().
  /// @param deadline  How long other processes are waited for, here and in run().
  Connection(const std::filesystem::path& file, Clock::time_point deadline);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Runs one statement and takes all its rows.
  /// @throws Error CKR_FUNCTION_FAILED "FILE: SQLite's reason; how to mend it"; SqlConflict when
  /// the
  ///         file was locked until the deadline.
  SqlRows run(const std::string& statement, const SqlValues& values = {});

 private:
  [[noreturn]] void fail(int result) const;
  void bind(sqlite3_stmt* statement, int index, const SqlValue& value) const;

  std::string file_;
  Clock::time_point deadline_;
  sqlite3* database_ = nullptr;
};

}  // namespace mayfly::sqlite
