#include <charconv>
#include <cstdint>

#include "config/config.h"

namespace mayfly {
namespace {

/// Seconds in a unit of time; 0 for none that is known.
std::uint64_t seconds_of(char unit) noexcept {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 60 * 60;
    case 'd':
      return 24 * 60 * 60;
    default:
      return 0;
  }
}

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) noexcept {
  static constexpr std::uint64_t kTenYears = 3650ULL * 24 * 60 * 60;
  if (text.size() < 2) return std::nullopt;
  const char* last = text.data() + text.size() - 1;
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), last, count);
  const std::uint64_t unit = seconds_of(*last);
  if (error != std::errc{} || end != last || count == 0 || unit == 0) return std::nullopt;
  if (count > kTenYears / unit) return std::nullopt;
  return std::chrono::seconds(count * unit);
}

std::string format_duration(std::chrono::seconds duration) {
  const auto count = duration.count();
  for (const char unit : {'d', 'h', 'm'}) {
    const auto seconds = static_cast<std::chrono::seconds::rep>(seconds_of(unit));
    if (count != 0 && count % seconds == 0) return std::to_string(count / seconds) + unit;
  }
  return std::to_string(count) + 's';
}

}  // namespace mayfly
