// Noticing that another process has changed the registry.
#pragma once

#include <chrono>

namespace mayfly {

/// Watch tells a broker when to look into the registry again: for revocations it has to obey, and
/// for tasks that have ended elsewhere. It may tell so for nothing; it never misses a change by
/// more than longest_wait().
///
/// For a loop around poll(2): wait until descriptor() can be read or longest_wait() is over, then
/// ask changed(). Not for several threads at once, and not for a host process: it keeps a
/// connection open. A forked child must not use it.
class Watch {
 public:
  virtual ~Watch() = default;
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// What can be read when there is news; -1 when nothing can be waited for but time. It may be
  /// another after each changed().
  [[nodiscard]] virtual int descriptor() const noexcept = 0;

  /// How long to wait at most before changed() is asked again.
  [[nodiscard]] virtual std::chrono::milliseconds longest_wait() const noexcept = 0;

  /// Whether the registry may have changed since the last time. When the connection to a server
  /// breaks, true once, so that whoever asks it learns that; then false until it can be reached
  /// again. Takes no longer than the registry's time-out, and that only to connect.
  [[nodiscard]] virtual bool changed() noexcept = 0;

  /// Waits until changed(), for some time at most. @return whether it did.
  bool wait(std::chrono::milliseconds most) noexcept;
};

}  // namespace mayfly
