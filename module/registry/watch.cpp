#include "registry/watch.h"

#include <algorithm>
#include <poll.h>

namespace mayfly {

bool Watch::wait(std::chrono::milliseconds most) noexcept {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + most;
  for (;;) {
    if (changed()) return true;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) return false;
    pollfd news{descriptor(), POLLIN, 0};
    poll(&news, news.fd < 0 ? 0 : 1, static_cast<int>(std::min(left, longest_wait()).count()));
  }
}

}  // namespace mayfly
