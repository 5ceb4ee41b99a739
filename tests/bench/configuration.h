// mayfly's configuration for a benchmark.
#pragma once

#include <string>

#include "support/softhsm_token.h"

namespace mayfly::bench {

/// Writes a mayfly.toml for the token, in the token's folder. @return its path.
std::string write_configuration(const test::SoftHsmToken& token);

}  // namespace mayfly::bench
