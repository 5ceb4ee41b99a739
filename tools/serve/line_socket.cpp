#include "tools/serve/line_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>

namespace mayfly::serve {
namespace {

using std::chrono::milliseconds;

/// For poll(2): how long, or -1 for ever.
int time_left(LineSocket::Time deadline) noexcept {
  if (deadline == LineSocket::Time::max()) return -1;
  const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp(left, milliseconds(0), milliseconds(60'000)).count());
}

bool is_no_news(int error) noexcept {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

std::pair<LineSocket, LineSocket> LineSocket::make_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  return {LineSocket(Descriptor(ends[0])), LineSocket(Descriptor(ends[1]))};
}

void LineSocket::close() noexcept {
  socket_.reset();
  unread_.clear();
}

bool LineSocket::wait(short events, Time deadline) const noexcept {
  pollfd entry{socket_.number(), events, 0};
  while (true) {
    const int ready = poll(&entry, 1, time_left(deadline));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
    if (std::chrono::steady_clock::now() >= deadline) return false;
  }
}

bool LineSocket::send(std::string_view line, Time deadline) noexcept {
  const auto send_all = [&](std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent =
          ::send(socket_.number(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) {
        text.remove_prefix(static_cast<std::size_t>(sent));
      } else if (!is_no_news(errno) || !wait(POLLOUT, deadline)) {
        return false;
      }
    }
    return true;
  };
  return send_all(line) && send_all("\n");
}

std::optional<std::string> LineSocket::receive(std::size_t most, Time deadline) {
  std::array<char, 16 * 1024> buffer;
  while (true) {
    if (const std::size_t end = unread_.find('\n'); end != unread_.npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    if (unread_.size() > most || !wait(POLLIN, deadline)) return std::nullopt;
    const ssize_t size = recv(socket_.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size > 0) {
      unread_.append(buffer.data(), static_cast<std::size_t>(size));
    } else if (size == 0 || !is_no_news(errno)) {
      return std::nullopt;
    }
  }
}

}  // namespace mayfly::serve
