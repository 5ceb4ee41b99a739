// JSON in its one form: RFC 8785, the JSON Canonicalization Scheme.
//
// A ledger needs a part of it only, and what lies outside is refused: the names of members are
// ASCII, so that sorting them by bytes is sorting them as section 3.2.3 wants it; numbers are
// whole, not negative and below 2^53, so that they have one spelling without section 3.2.2.3; there
// is no null.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace mayfly::ledger {

/// The value's canonical text.
/// @throws Error CKR_DATA_INVALID for what a ledger does not hold: see above; texts that are not
///         UTF-8; anything that lies deeper than ten levels.
[[nodiscard]] std::string canonical_json(const nlohmann::json& value);

}  // namespace mayfly::ledger
