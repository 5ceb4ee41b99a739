// The registry of a fleet: a database of PostgreSQL.
#pragma once

#include <memory>

#include "registry/postgres/postgres_database.h"
#include "registry/postgres/server.h"
#include "registry/registry.h"

namespace mayfly {

/// Opens the registry, and makes its tables if there are none. Those of an earlier mayfly are
/// brought up to date.
/// @throws Error CKR_GENERAL_ERROR for a URL that makes no sense or holds a password, for a
///         database that is another program's, or a newer mayfly's; CKR_FUNCTION_FAILED "PostgreSQL
///         DATABASE at HOST: what is wrong; how to mend it".
[[nodiscard]] std::unique_ptr<Registry> open_postgres_registry(postgres::Server server,
                                                               postgres::Connections connections);

}  // namespace mayfly
