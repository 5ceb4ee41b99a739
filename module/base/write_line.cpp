#include "base/write_line.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>

#include "base/utf8.h"

namespace mayfly {
namespace {

/// Whether there is room, and somebody for whom.
bool has_room(int descriptor, std::chrono::milliseconds patience) noexcept {
  pollfd entry{descriptor, POLLOUT, 0};
  int ready = 0;
  do {
    ready = poll(&entry, 1, static_cast<int>(patience.count()));
  } while (ready < 0 && errno == EINTR);
  return ready > 0 && entry.revents == POLLOUT;
}

/// Opens a pipe or terminal anew, for writing without waiting: O_NONBLOCK set on the descriptor
/// itself would be everybody's who shares it. -1 if it is another user's, or there is no /proc.
int open_again(int descriptor) noexcept {
  std::array<char, 32> path;
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", descriptor);
  return open(path.data(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

bool write_whole(int descriptor, std::string_view text) noexcept {
  ssize_t size = 0;
  do {
    size = write(descriptor, text.data(), text.size());
  } while (size < 0 && errno == EINTR);
  return size == static_cast<ssize_t>(text.size());
}

bool write_now(int descriptor, std::string_view text, std::chrono::milliseconds patience) noexcept {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return false;
  if (S_ISSOCK(status.st_mode)) {
    return has_room(descriptor, patience) &&
           send(descriptor, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
               static_cast<ssize_t>(text.size());
  }
  if (!S_ISFIFO(status.st_mode) && isatty(descriptor) == 0) return write_whole(descriptor, text);
  if (!has_room(descriptor, patience)) return false;
  const int again = open_again(descriptor);
  // Without that, there is room for PIPE_BUF bytes unless another process was faster just now.
  if (again < 0) return write_whole(descriptor, text);
  const bool written = write_whole(again, text);
  close(again);
  return written;
}

}  // namespace

bool write_line(int descriptor, std::string_view line,
                std::chrono::milliseconds patience) noexcept {
  const int saved_errno = errno;
  std::array<char, PIPE_BUF> text;
  const std::string_view start = utf8_prefix(line, text.size() - 1);
  *std::copy(start.begin(), start.end(), text.begin()) = '\n';
  const bool written = write_now(descriptor, {text.data(), start.size() + 1}, patience);
  errno = saved_errno;
  return written;
}

}  // namespace mayfly
