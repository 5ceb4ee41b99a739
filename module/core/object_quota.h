// How much the objects of a task may take.
#pragma once

#include <atomic>
#include <cstddef>

namespace mayfly {

/// ObjectQuota bounds the objects of a task and the bytes of their attributes, over all stores that
/// share it: the task's own, and one for each application. A client that could fill each store, or
/// make objects as big as it likes, could take the machine's memory and so harm other tasks.
class ObjectQuota {
 public:
  /// What objects take on average at most. A key pair takes 1 KiB, a certificate 1 to 3.
  static constexpr std::size_t kBytesPerObject = 4096;

  /// @param objects  The most objects; together they may have kBytesPerObject times as many bytes.
  explicit ObjectQuota(std::size_t objects) noexcept : most_objects_(objects) {}
  ObjectQuota(const ObjectQuota&) = delete;
  ObjectQuota& operator=(const ObjectQuota&) = delete;

  /// @throws Error CKR_DEVICE_MEMORY if they would be too much; nothing is taken then.
  void take(std::size_t objects, std::size_t bytes);
  void give_back(std::size_t objects, std::size_t bytes) noexcept;

 private:
  const std::size_t most_objects_;
  std::atomic<std::size_t> objects_{0};
  std::atomic<std::size_t> bytes_{0};
};

}  // namespace mayfly
