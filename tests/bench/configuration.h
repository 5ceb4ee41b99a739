// mayfly's configuration for a benchmark.
#pragma once

#include <string>

#include "support/softhsm_token.h"

namespace mayfly::bench {

/// Writes a configuration for the token, in the token's folder. @return its path.
/// @param more  More tables, with newlines.
std::string write_configuration(const test::SoftHsmToken& token,
                                const std::string& file_name = "mayfly.toml",
                                const std::string& more = "");

}  // namespace mayfly::bench
