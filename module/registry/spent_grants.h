// Which grants can't open a task any more.
#pragma once

#include <chrono>

#include "registry/records.h"
#include "registry/sql_database.h"

namespace mayfly {

/// How long after its end a grant's use is remembered. For longer, no registry takes it for
/// unexpired, whatever the clock of the machine says that verified it.
inline constexpr std::chrono::hours kGrantMargin{24};

/// Spends a grant, in the transaction that opens its task.
/// @throws RegistryRefused grant_spent, grant_revoked or grant_expired.
void spend(SqlTransaction& transaction, const GrantUse& grant);

/// From now on the grant opens nothing. Without an issuer: that of whatever issuer.
void revoke(SqlTransaction& transaction, const GrantName& name);

}  // namespace mayfly
