// Destroying what a dead worker left on a device that stores keys.
#pragma once

#include <chrono>
#include <string>
#include <sys/types.h>

#include "config/config.h"

namespace mayfly::broker {

/// DeviceSweep models one `mayfly reap` over the keys on record, in a process of its own: neither
/// the supervisor nor the guardian ever opens the device. Killed when it goes.
class DeviceSweep {
 public:
  /// Starts it. The caller waits for other children by number, or tells of this one's end by
  /// has_ended().
  /// @throws std::system_error
  /// @param broker  Whose tasks' keys are to go, since it is gone; empty for those of all dead
  ///                processes that this machine can tell to be dead.
  explicit DeviceSweep(const Config& config, const std::string& broker = {});
  ~DeviceSweep();
  DeviceSweep(const DeviceSweep&) = delete;
  DeviceSweep& operator=(const DeviceSweep&) = delete;

  [[nodiscard]] pid_t number() const noexcept { return number_; }

  /// The process has been waited for by somebody else.
  void has_ended(int wait_status) noexcept;

  /// Waits for its end, if it has not ended yet.
  void wait(std::chrono::milliseconds timeout) noexcept;

  /// Whether it has found everything out and no dead key is left.
  [[nodiscard]] bool succeeded() const noexcept { return number_ < 0 && wait_status_ == 0; }

 private:
  pid_t number_ = -1;
  int wait_status_ = -1;
};

}  // namespace mayfly::broker
