// The tables of the registry, and how older ones become newer ones.
#pragma once

#include "registry/sql_database.h"

namespace mayfly {

/// The version that this mayfly writes.
inline constexpr std::int64_t kSchemaVersion = 3;

/// Brings a database to that version, in one transaction. Does not write where it is there.
/// @throws Error CKR_GENERAL_ERROR "NAME: …" for the registry of a newer mayfly, and for what is
///         none; CKR_FUNCTION_FAILED as all that is done with a registry.
void migrate(SqlDatabase& database);

}  // namespace mayfly
