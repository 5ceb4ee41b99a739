// Steps that several transactions of the registry have in common.
#pragma once

#include "registry/sql_rows.h"

namespace mayfly {

/// The condition for a task that has not ended, of the column `state`.
inline constexpr char kOpenStates[] = "IN (0, 1)";
static_assert(static_cast<int>(TaskState::open) == 0 && static_cast<int>(TaskState::active) == 1);

/// @throws RegistryRefused broker_is_gone.
void require_registered(SqlTransaction& transaction, const std::string& broker);

/// Orders that tasks end, unless they are ordered to already.
/// @param chosen  A query for the serials of open tasks, with `values` for its parameters; what is
///                open below them is chosen too.
/// @return all that are chosen.
std::vector<TaskRecord> order_end(SqlTransaction& transaction, const std::string& chosen,
                                  SqlValues values, const RevocationTarget& target,
                                  const std::string& reason, const std::string& actor);

/// All open tasks of a broker become `lost`; what is open below them elsewhere is ordered to end.
/// @return those that are lost by it.
std::vector<TaskRecord> lose_tasks(SqlTransaction& transaction, const std::string& broker,
                                   const std::string& cause, const std::string& actor);

}  // namespace mayfly
