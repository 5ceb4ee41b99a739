// Lines between two of mayfly's own processes.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/descriptor.h"

namespace mayfly::serve {

/// LineSocket is one end of a socket pair. Lines may be long; both ends bound how long, and how
/// long they wait.
class LineSocket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  LineSocket() noexcept = default;
  explicit LineSocket(Descriptor socket) noexcept : socket_(std::move(socket)) {}

  /// Two connected ends, both close-on-exec.
  /// @throws std::system_error
  [[nodiscard]] static std::pair<LineSocket, LineSocket> make_pair();

  [[nodiscard]] int descriptor() const noexcept { return socket_.number(); }
  void close() noexcept;

  /// @param line  Without a newline.
  /// @return false if the other side is gone, or does not read before the deadline.
  [[nodiscard]] bool send(std::string_view line, Time deadline) noexcept;

  /// The next line, without its newline; nothing if the other side is gone, the line is longer than
  /// `most` bytes, or it did not come before the deadline.
  [[nodiscard]] std::optional<std::string> receive(std::size_t most, Time deadline = Time::max());

 private:
  [[nodiscard]] bool wait(short events, Time deadline) const noexcept;

  Descriptor socket_;
  std::string unread_;
};

}  // namespace mayfly::serve
