// Clearing up after workers that could not.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <sys/types.h>

#include "tools/broker/device_sweep.h"
#include "tools/serve/accepted_config.h"
#include "tools/serve/event_loop.h"
#include "tools/serve/metrics.h"

namespace mayfly::serve {

/// Sweeper runs `mayfly reap`, one at a time, each again and again until it has found no dead key
/// left.
class Sweeper {
 public:
  Sweeper(EventLoop& loop, CurrentConfig config, Metrics& metrics)
      : loop_(loop), config_(std::move(config)), metrics_(metrics) {}

  /// A worker may have left something on the device. On one that does not store keys there is
  /// nothing to do: what a process made goes with it.
  /// @param keys  How many key pairs it may be.
  void sweep(std::size_t keys);
  /// Another broker, which is gone, may have.
  void sweep_after(const std::string& broker, std::size_t keys) { want(broker, keys); }
  /// Called when what a broker may have left is gone.
  void on_swept_after(std::function<void(const std::string& broker)> function) {
    swept_after_ = std::move(function);
  }

  /// The process of a sweep that is under way; -1 for none.
  [[nodiscard]] pid_t process() const noexcept {
    return running_ == nullptr ? -1 : running_->number();
  }
  /// It has ended and was waited for.
  void has_ended(int wait_status);

 private:
  void want(const std::string& broker, std::size_t keys);
  void tell_survivors() const;
  void start();
  void try_again();

  EventLoop& loop_;
  const CurrentConfig config_;
  Metrics& metrics_;
  std::function<void(const std::string& broker)> swept_after_ = [](const std::string&) {};
  std::unique_ptr<broker::DeviceSweep> running_;
  std::string running_for_;                       // a broker; empty for workers
  std::deque<std::string> wanted_;                // the same, each once
  std::map<std::string, std::size_t> survivors_;  // how many keys, by the same
  EventLoop::Timer retry_;
  BootClock::duration pause_{};
};

}  // namespace mayfly::serve
