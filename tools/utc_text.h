// Moments, for people.
#pragma once

#include <cstdint>
#include <string>

namespace mayfly::tools {

/// Seconds since 1970 as "2026-11-24 18:00:00 UTC".
[[nodiscard]] std::string utc_text(std::uint64_t unix_s);

/// Milliseconds since 1970 as "2026-11-24 18:00:00.000 UTC".
[[nodiscard]] std::string utc_text_ms(std::uint64_t unix_ms);

}  // namespace mayfly::tools
