// What a service manager gives and wants to hear, as systemd has it (sd_notify(3),
// sd_listen_fds(3)).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/descriptor.h"

namespace mayfly::serve {

/// ServiceManager models the service manager that has started this process, if one has.
class ServiceManager {
 public:
  /// Reads what the environment says of it, and takes it out of there: children have none. To be
  /// called while the process has one thread.
  ServiceManager();

  /// The socket that it listens on for us; none if it does not. Once.
  /// @throws tools::Failure when it is no SOCK_SEQPACKET of this machine that listens, or there are
  ///         several.
  [[nodiscard]] Descriptor take_socket();

  /// What tell() waits for a manager that is busy. All services of a machine share its ear, which
  /// holds a few news only.
  static constexpr std::chrono::seconds kPatience{5};

  /// Tells it something that it must know: "READY=1". Lost if nobody listens for so long.
  void tell(const std::string& news) const noexcept;

  /// Tells it that this process works. Waits for nothing, since the next time comes soon.
  void tell_alive() const noexcept;

  /// How often it wants to hear "WATCHDOG=1" at least; nothing for never.
  [[nodiscard]] std::optional<BootClock::duration> watchdog() const noexcept { return watchdog_; }

 private:
  void send(const std::string& news, int flags) const noexcept;

  std::string address_;  // of its socket
  int sockets_ = 0;
  std::optional<BootClock::duration> watchdog_;
};

}  // namespace mayfly::serve
