// The token objects of a task that another process holds.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "core/task_host.h"

namespace mayfly {

/// The object that a host tells of.
/// @throws Error of any kind if what it says makes no object.
[[nodiscard]] std::shared_ptr<Object> make_hosted_object(const HostedObject& told, TaskHost& host);

/// ObjectMirror keeps a task's store of token objects as its host tells of them. An object that is
/// told of twice is one object here, so that its handles stay as they are.
class ObjectMirror {
 public:
  /// @param task, host  Outlive the mirror's use.
  /// @throws Error CKR_DEVICE_MEMORY beyond the task's quota; CKR_DEVICE_REMOVED for what makes no
  ///         token object, over which the host is given up.
  std::shared_ptr<Object> take_in(Task& task, TaskHost& host, const HostedObject& told);
  /// Drops an object, if it is there.
  void drop(Task& task, std::uint64_t number) noexcept;

  /// How many objects came in by now.
  using Moment = std::uint64_t;
  [[nodiscard]] Moment now() const;
  /// Drops the objects that came in up to a moment and are not in the list.
  void drop_unlisted(Task& task, const std::unordered_set<std::uint64_t>& listed, Moment moment);

 private:
  struct Entry {
    std::shared_ptr<Object> object;
    Moment came;
  };
  static void remove(Task& task, Object& object) noexcept;

  mutable std::mutex mutex_;  // guards what follows; the host is not called with it held
  std::unordered_map<std::uint64_t, Entry> entries_;
  Moment count_ = 0;
};

}  // namespace mayfly
