// The thread that keeps a process in touch with its registry.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "compose/registry_book.h"

namespace mayfly::broker {

/// RegistryThread does for a RegistryBook with BookUpkeep::thread what may have to wait: it writes
/// what is owed, renews the broker's lease, hears of tasks that somebody has ordered to end, and
/// takes over brokers that are gone. A registry that is away costs nobody else any time.
class RegistryThread {
 public:
  /// Called in the thread. They must not throw, and must not wait.
  struct Listener {
    /// Tasks are to end as revoked; again and again until their ends are recorded.
    std::function<void(std::vector<std::string> serials)> ordered;
    /// This broker was taken over: all its tasks are lost.
    std::function<void()> lost;
    /// Another broker is gone, whose tasks may have left keys on a device. finished() is to be
    /// called when none is there any more.
    std::function<void(const TakenOver& left)> inherited;
  };

  /// @param lease  How long the broker may be silent.
  /// @throws std::system_error
  RegistryThread(std::shared_ptr<RegistryBook> book, std::chrono::milliseconds lease,
                 Listener listener);
  /// Waits for what is under way, which the registry's time-out bounds.
  ~RegistryThread();
  RegistryThread(const RegistryThread&) = delete;
  RegistryThread& operator=(const RegistryThread&) = delete;

  /// What a broker had left is cleared up.
  void finished(const std::string& broker);

 private:
  void work();
  void nudge() noexcept;
  void keep_lease();
  void take_over();
  void note_that_it_is_away() noexcept;
  void finish_take_overs();
  void wait(Watch& watch);
  [[nodiscard]] bool is_over();

  const std::shared_ptr<RegistryBook> book_;
  const std::chrono::milliseconds lease_;
  const Listener listener_;
  const Descriptor wake_;  // an eventfd
  BootClock::time_point next_renewal_{};
  // When a registry is back that was away, maybe until this thread began, others are given the time
  // to renew their leases.
  BootClock::time_point only_dead_before_;
  bool is_reached_ = true;  // the registry, when it was asked last
  bool is_due_ = true;      // to look into it
  std::mutex mutex_;        // guards what follows
  bool over_ = false;
  std::deque<std::string> finished_;
  std::thread thread_;
};

}  // namespace mayfly::broker
