// The registry's database in a SQLite file.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "registry/sql_database.h"

namespace mayfly::sqlite {

/// SqliteDatabase opens its file for each transaction and closes it after it.
class SqliteDatabase final : public SqlDatabase {
 public:
  /// Makes the file if there is none.
  /// @throws Error CKR_GENERAL_ERROR for a file or a folder that others can write.
  SqliteDatabase(std::filesystem::path file, std::chrono::milliseconds patience);

  [[nodiscard]] const Types& types() const noexcept override;
  std::int64_t version(SqlTransaction& transaction) override;
  void set_version(SqlTransaction& transaction, std::int64_t version) override;
  [[nodiscard]] const std::string& name() const noexcept override { return file_.native(); }
  [[nodiscard]] std::chrono::milliseconds patience() const noexcept override { return patience_; }

  [[nodiscard]] const std::filesystem::path& file() const noexcept { return file_; }

 private:
  void attempt(Access access, const Body& body, Clock::time_point deadline) override;

  std::filesystem::path file_;
  std::chrono::milliseconds patience_;
  std::string boot_;
};

}  // namespace mayfly::sqlite
