// This machine's name.
#pragma once

#include <string>

namespace mayfly::tools {

/// As gethostname(2) has it; "localhost" where it has none.
[[nodiscard]] std::string host_name();

}  // namespace mayfly::tools
