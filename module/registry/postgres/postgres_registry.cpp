#include "registry/postgres/postgres_registry.h"

#include "registry/postgres/postgres_watch.h"
#include "registry/sql_registry.h"

namespace mayfly {
namespace {

class PostgresRegistry final : public SqlRegistry {
 public:
  explicit PostgresRegistry(std::unique_ptr<postgres::PostgresDatabase> database)
      : SqlRegistry(std::move(database)) {}

  [[nodiscard]] std::unique_ptr<Watch> watch() override {
    const auto& server = static_cast<postgres::PostgresDatabase&>(database());
    return std::make_unique<postgres::PostgresWatch>(server.server(), server.name());
  }
};

}  // namespace

std::unique_ptr<Registry> open_postgres_registry(postgres::Server server,
                                                 postgres::Connections connections) {
  return std::make_unique<PostgresRegistry>(
      std::make_unique<postgres::PostgresDatabase>(std::move(server), connections));
}

}  // namespace mayfly
