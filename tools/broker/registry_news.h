// What the registry says to a worker.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "compose/registry_book.h"
#include "tools/broker/registry_thread.h"

namespace mayfly::broker {

/// RegistryNews keeps a worker in touch with its registry by a thread, and hands what comes of that
/// to the worker's own loop. There is none until it is started.
class RegistryNews {
 public:
  struct News {
    std::vector<std::string> ordered;  ///< serials of tasks that are to end as revoked
    std::vector<TakenOver> inherited;  ///< what brokers that are gone may have left on the device
    bool lost = false;                 ///< this process was taken for dead: its tasks are lost
  };

  /// @param lease  As RegistryThread's.
  /// @throws std::system_error
  explicit RegistryNews(std::chrono::milliseconds lease);
  RegistryNews(const RegistryNews&) = delete;
  RegistryNews& operator=(const RegistryNews&) = delete;

  /// Keeps in touch from now on. Once, from any thread.
  /// @throws Error CKR_FUNCTION_FAILED after stop(), std::system_error
  void start(std::shared_ptr<RegistryBook> book);
  /// No more, for good. Waits for what is under way, which the registry's time-out bounds.
  void stop() noexcept;

  /// Readable when there is news.
  [[nodiscard]] int descriptor() const noexcept { return event_.number(); }
  [[nodiscard]] News take();
  /// What a broker had left is gone.
  void finished(const std::string& broker);

 private:
  void tell() noexcept;

  const std::chrono::milliseconds lease_;
  const Descriptor event_;
  std::mutex mutex_;  // guards what follows
  News news_;
  bool is_stopped_ = false;
  std::unique_ptr<RegistryThread> thread_;  // last: it uses all the others
};

}  // namespace mayfly::broker
