// The claims of a grant, as JSON.
#pragma once

#include <string>
#include <string_view>

#include "grant/grant.h"

namespace mayfly::grant {

/// Reads claims. Every claim must be known and have a value that it can have, and the times must
/// be in their order: a reader must not overlook what a newer writer meant as a limit.
/// @throws Refused too_long, claims, duplicate_claim, missing_claim, unknown_claim or bad_claim.
[[nodiscard]] Grant parse_claims(std::string_view json);

/// Writes claims, without looking whether parse_claims() would take them.
[[nodiscard]] std::string to_json(const Grant& grant);

}  // namespace mayfly::grant
