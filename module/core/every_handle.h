// For tests of the drill only: what all tokens of a process have handles of, so that one task can
// be given another's objects.
#pragma once

#ifdef MAYFLY_SWITCHABLE_SAFEGUARDS

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/object.h"

namespace mayfly {

class EveryHandle {
 public:
  /// The one of the process, never destroyed.
  static EveryHandle& table() {
    static EveryHandle& table = *new EveryHandle;
    return table;
  }

  void add(ObjectHandle handle, const std::shared_ptr<Object>& object) {
    const std::scoped_lock lock(mutex_);
    objects_.insert_or_assign(handle.value, object);
  }

  [[nodiscard]] std::shared_ptr<Object> find(ObjectHandle handle) {
    const std::scoped_lock lock(mutex_);
    const auto found = objects_.find(handle.value);
    return found == objects_.end() ? nullptr : found->second.lock();
  }

  [[nodiscard]] std::vector<ObjectHandle> all() {
    const std::scoped_lock lock(mutex_);
    std::vector<ObjectHandle> handles;
    for (const auto& [handle, object] : objects_) handles.push_back(ObjectHandle{handle});
    return handles;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<CK_ULONG, std::weak_ptr<Object>> objects_;
};

}  // namespace mayfly

#endif
