#include "base/bounded_read.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <poll.h>
#include <system_error>
#include <unistd.h>

namespace mayfly {
namespace {

using std::chrono::steady_clock;

[[noreturn]] void fail(int error) { throw std::system_error(error, std::generic_category()); }

/// Waits until a read would not block. Regular files are always ready.
void wait_readable(int descriptor, steady_clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) fail(ETIMEDOUT);
    const auto timeout = std::min<long long>(left.count(), std::numeric_limits<int>::max());
    pollfd item{descriptor, POLLIN, 0};
    const int ready = poll(&item, 1, static_cast<int>(timeout));
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) fail(errno);
  }
}

}  // namespace

std::size_t read_to_end(int descriptor, ByteSpan room, steady_clock::time_point deadline) {
  const bool seekable = lseek(descriptor, 0, SEEK_CUR) >= 0;
  std::size_t size = 0;
  while (size < room.size()) {
    wait_readable(descriptor, deadline);
    const ByteSpan rest = room.subspan(size);
    const ssize_t got = seekable
                            ? pread(descriptor, rest.data(), rest.size(), static_cast<off_t>(size))
                            : read(descriptor, rest.data(), rest.size());
    if (got == 0) break;
    if (got > 0) {
      size += static_cast<std::size_t>(got);
    } else if (errno != EINTR && errno != EAGAIN) {
      fail(errno);
    }
  }
  return size;
}

}  // namespace mayfly
