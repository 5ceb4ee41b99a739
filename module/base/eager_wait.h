// Waiting without going to sleep, for what comes at once as a rule.
#pragma once

#include <cerrno>
#include <chrono>
#include <sys/socket.h>
#include <sys/types.h>

namespace mayfly {

/// EagerWait looks for what a socket will have in a moment before its reader goes to sleep for it,
/// as long as nobody else wants the processor. To be woken takes a processor that rests longer than
/// most answers do, and who wakes it pays as well.
class EagerWait {
 public:
  /// @param time  How long to look; 0 for not at all.
  explicit EagerWait(std::chrono::microseconds time) noexcept : time_(time) {}

  /// Repeats a system call until it needs not wait, fails, or the time is up.
  /// @param call  Takes flags of recv(2): MSG_DONTWAIT.
  /// @return what the call returned; -1, and EAGAIN in errno, if it would still have to wait.
  template <typename Call>
  ssize_t look(Call&& call) {
    errno = EAGAIN;
    if (calm_ > 0) {
      --calm_;
      return -1;
    }
    auto now = Clock::now();
    const auto deadline = now + time_;
    unsigned given_away = 0;
    while (now < deadline) {
      const ssize_t result = call(MSG_DONTWAIT);
      if (result >= 0 || errno != EAGAIN || is_wanted(now, given_away)) return result;
    }
    return -1;
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// Offers the processor to others.
  /// @param now         What the time is then.
  /// @param given_away  Counts how often somebody took it.
  /// @return whether it is wanted so much that only sleeping will do, for some time.
  bool is_wanted(Clock::time_point& now, unsigned& given_away) noexcept;

  const std::chrono::microseconds time_;
  unsigned calm_ = 0;  // waits to come that are not looked through
};

}  // namespace mayfly
