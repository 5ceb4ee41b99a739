#include "compose/registry.h"

#include "base/error.h"
#include "registry/postgres/postgres_registry.h"
#include "registry/sqlite/sqlite_registry.h"

namespace mayfly {

std::unique_ptr<Registry> open_registry(const Config& config, RegistryUse use) {
  const RegistryConfig& registry = config.registry;
  if (!registry.is_there()) {
    throw Error(CKR_GENERAL_ERROR,
                "no registry is configured; add file = "
                "\"/var/lib/mayfly/registry.db\" under [registry]");
  }
  if (!registry.file.empty()) return open_sqlite_registry(registry.file, registry.timeout);
  postgres::Server server{registry.url, {}, registry.timeout};
  if (registry.password_source) {
    server.fetch_password = [source = *registry.password_source] { return source.read(); };
  }
  return open_postgres_registry(std::move(server), use == RegistryUse::broker
                                                       ? postgres::Connections::kept
                                                       : postgres::Connections::one_each);
}

}  // namespace mayfly
