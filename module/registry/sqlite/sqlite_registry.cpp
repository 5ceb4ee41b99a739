#include "registry/sqlite/sqlite_registry.h"

#include "registry/sql_registry.h"
#include "registry/sqlite/sqlite_database.h"
#include "registry/sqlite/sqlite_watch.h"

namespace mayfly {
namespace {

class SqliteRegistry final : public SqlRegistry {
 public:
  explicit SqliteRegistry(std::unique_ptr<sqlite::SqliteDatabase> database)
      : SqlRegistry(std::move(database)) {}

  [[nodiscard]] std::unique_ptr<Watch> watch() override {
    const auto& file = static_cast<sqlite::SqliteDatabase&>(database());
    return std::make_unique<sqlite::SqliteWatch>(file.file(), file.patience());
  }
};

}  // namespace

std::unique_ptr<Registry> open_sqlite_registry(std::filesystem::path file,
                                               std::chrono::milliseconds patience) {
  return std::make_unique<SqliteRegistry>(
      std::make_unique<sqlite::SqliteDatabase>(std::move(file), patience));
}

}  // namespace mayfly
