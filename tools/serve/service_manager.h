// What a service manager gives and wants to hear, as systemd has it (sd_notify(3),
// sd_listen_fds(3)).
#pragma once

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

  /// Tells it something: "READY=1". Lost if nobody listens.
  void tell(const std::string& news) const noexcept;

  /// How often it wants to hear "WATCHDOG=1" at least; nothing for never.
  [[nodiscard]] std::optional<BootClock::duration> watchdog() const noexcept { return watchdog_; }

 private:
  std::string address_;  // of its socket
  int sockets_ = 0;
  std::optional<BootClock::duration> watchdog_;
};

}  // namespace mayfly::serve
