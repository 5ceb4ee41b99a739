// The authorisation values of keys.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"

namespace mayfly::tpm {

/// A random value without which the TPM does not use a key. Lives in locked memory only, and is
/// wiped with this.
class AuthValue {
 public:
  static constexpr std::size_t kSize = 32;

  AuthValue() noexcept = default;
  AuthValue(AuthValue&& other) noexcept;
  AuthValue& operator=(AuthValue&& other) noexcept;
  ~AuthValue() { wipe(); }

  [[nodiscard]] ByteView view() const noexcept { return value_; }
  void wipe() noexcept;

 private:
  friend class AuthValues;
  class Page;

  std::shared_ptr<Page> page_;
  ByteSpan value_;
};

/// AuthValues makes them, many to a locked page: a process may lock few pages only. Safe to use
/// from several threads.
class AuthValues {
 public:
  /// @throws Error CKR_HOST_MEMORY, CKR_FUNCTION_FAILED when the kernel gives no random numbers.
  [[nodiscard]] AuthValue make();

 private:
  std::mutex mutex_;
  std::vector<std::weak_ptr<AuthValue::Page>> pages_;
};

}  // namespace mayfly::tpm
