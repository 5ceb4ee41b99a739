#include "tools/duration_option.h"

#include "config/config.h"
#include "tools/failure.h"

namespace mayfly::tools {

std::chrono::seconds duration_option(const char* option, const std::string& text) {
  const auto length = parse_duration(text);
  if (length) return *length;
  throw Failure(kBadTtl, std::string(option) +
                             " is no length of time; write a whole number with s, m, h or d, such "
                             "as 90s or 15m");
}

}  // namespace mayfly::tools
