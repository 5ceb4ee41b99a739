#include "core/object_quota.h"

#include <limits>
#include <string>

#include "base/error.h"

namespace mayfly {

void ObjectQuota::take(std::size_t objects, std::size_t bytes) {
  const std::size_t all_objects = objects_.fetch_add(objects) + objects;
  const std::size_t all_bytes = bytes_.fetch_add(bytes) + bytes;
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  const std::size_t most_bytes =
      most_objects_ > kMost / kBytesPerObject ? kMost : most_objects_ * kBytesPerObject;
  if (all_objects <= most_objects_ && all_bytes <= most_bytes) return;
  give_back(objects, bytes);
  throw Error(
      CKR_DEVICE_MEMORY,
      (all_objects > most_objects_
           ? "the task holds " + std::to_string(most_objects_) + " objects already"
           : "the task's objects would take more than " + std::to_string(most_bytes) + " bytes") +
          "; see limits.objects");
}

void ObjectQuota::give_back(std::size_t objects, std::size_t bytes) noexcept {
  objects_.fetch_sub(objects);
  bytes_.fetch_sub(bytes);
}

}  // namespace mayfly
