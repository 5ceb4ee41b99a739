#include "tools/utc_text.h"

#include <ctime>

namespace mayfly::tools {

std::string utc_text(std::uint64_t unix_s) {
  const auto seconds = static_cast<std::time_t>(unix_s);
  std::tm parts{};
  char text[32] = "";
  if (gmtime_r(&seconds, &parts) != nullptr) {
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  }
  return text;
}

std::string utc_text_ms(std::uint64_t unix_ms) {
  std::string text = utc_text(unix_ms / 1000);
  return text.insert(text.size() - 4, "." + std::to_string(1000 + unix_ms % 1000).substr(1));
}

}  // namespace mayfly::tools
