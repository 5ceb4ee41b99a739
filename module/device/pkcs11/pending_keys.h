// Keys whose destruction is still owed.
#pragma once

#include <atomic>
#include <mutex>

#include "device/pkcs11/key_record.h"

namespace mayfly::pkcs11 {

/// Remembers the keys that the device could not destroy when it was asked to. Safe to use from
/// several threads.
class PendingKeys {
 public:
  /// Takes the records over.
  void add(KeyRecords records) noexcept;

  /// Tries again to destroy each of them; those whose session somebody uses have to wait.
  /// @return how many are still owed.
  std::size_t retry(CK_FUNCTION_LIST_PTR functions, SessionPool& sessions) noexcept;

  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  /// Forgets all: after the device has closed every session.
  void clear() noexcept;

 private:
  std::mutex mutex_;
  KeyRecords records_;
  std::atomic<std::size_t> count_{0};  // also counts those that retry() has in its hands
};

}  // namespace mayfly::pkcs11
