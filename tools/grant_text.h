// Grants between files, people and scripts.
#pragma once

#include <iosfwd>
#include <string>

#include <nlohmann/json.hpp>

#include "grant/grant.h"

namespace mayfly::tools {

/// The text of a grant in a file, or on standard input for "-", without the newline at its end. A
/// text that is too long for a grant comes back all the same, for verify() to refuse.
/// @throws Failure kNoInput, kUsage.
[[nodiscard]] std::string read_grant(const std::string& path);

/// A line for each claim, for people.
void print_grant(std::ostream& out, const grant::Grant& grant);

/// The claims by their names in the grant.
[[nodiscard]] nlohmann::json claims_json(const grant::Grant& grant);

}  // namespace mayfly::tools
