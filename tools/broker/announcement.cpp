#include "tools/broker/announcement.h"

#include <exception>
#include <unistd.h>

#include "base/write_line.h"

namespace mayfly::broker {

void announce(const std::string& sentence) noexcept {
  try {
    write_line(STDERR_FILENO, "mayfly: " + sentence);
  } catch (const std::exception&) {  // no memory for it
  }
}

}  // namespace mayfly::broker
