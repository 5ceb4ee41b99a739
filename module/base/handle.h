// Handles as types, and a table of them.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "base/pkcs11.h"

namespace mayfly {

/// A PKCS#11 handle that can't be mistaken for one of another kind.
template <typename Tag>
struct Handle {
  CK_ULONG value = CK_INVALID_HANDLE;

  friend bool operator==(Handle, Handle) = default;
  friend auto operator<=>(Handle, Handle) = default;
};

using SessionHandle = Handle<struct SessionTag>;
using ObjectHandle = Handle<struct ObjectTag>;

/// The next number of this process, never given twice. One sequence serves slots, sessions and
/// objects alike, so that a handle of one kind is never valid as another.
CK_ULONG next_handle_value() noexcept;

#ifdef MAYFLY_SWITCHABLE_SAFEGUARDS
/// For tests of the drill only: gives the same numbers again.
void start_handles_anew() noexcept;
#endif

template <typename HandleType>
HandleType next_handle() noexcept {
  return HandleType{next_handle_value()};
}

/// Owners of handles to T. Many shards, so that threads that look up different handles don't meet
/// on one lock.
template <typename HandleType, typename T>
class HandleTable {
 public:
  void insert(HandleType handle, std::shared_ptr<T> item) {
    Shard& shard = shard_of(handle);
    const std::unique_lock lock(shard.mutex);
    if (shard.items.emplace(handle.value, std::move(item)).second) size_.fetch_add(1);
  }

  /// How many handles there are.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(); }

  /// The item, or null when the handle is not of this table.
  [[nodiscard]] std::shared_ptr<T> find(HandleType handle) const {
    const Shard& shard = shard_of(handle);
    const std::shared_lock lock(shard.mutex);
    const auto found = shard.items.find(handle.value);
    return found == shard.items.end() ? nullptr : found->second;
  }

  /// Takes the item out; null when it was not there, so that of two racing callers one gets it.
  std::shared_ptr<T> take(HandleType handle) {
    Shard& shard = shard_of(handle);
    const std::unique_lock lock(shard.mutex);
    const auto found = shard.items.find(handle.value);
    if (found == shard.items.end()) return nullptr;
    std::shared_ptr<T> item = std::move(found->second);
    shard.items.erase(found);
    size_.fetch_sub(1);
    return item;
  }

 private:
  static constexpr std::size_t kShards = 64;

  struct alignas(64) Shard {
    mutable std::shared_mutex mutex;
    std::unordered_map<CK_ULONG, std::shared_ptr<T>> items;
  };

  Shard& shard_of(HandleType handle) noexcept { return shards_[handle.value % kShards]; }
  const Shard& shard_of(HandleType handle) const noexcept {
    return shards_[handle.value % kShards];
  }

  std::array<Shard, kShards> shards_;
  std::atomic<std::size_t> size_{0};
};

}  // namespace mayfly
