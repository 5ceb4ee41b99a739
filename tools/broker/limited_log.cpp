#include "tools/broker/limited_log.h"

#include <exception>
#include <utility>

#include "base/log.h"

namespace mayfly::broker {

void LimitedLog::warn(const std::string& message) noexcept {
  std::size_t left_out = 0;
  {
    const std::scoped_lock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) {
      ++left_out_;
      return;
    }
    next_ = now + std::chrono::seconds(1);
    left_out = std::exchange(left_out_, 0);
  }
  try {
    log::warn(left_out == 0 ? message
                            : message + " (" + std::to_string(left_out) +
                                  " warnings about clients were left out before this one)");
  } catch (const std::exception&) {  // no memory for the line
  }
}

}  // namespace mayfly::broker
