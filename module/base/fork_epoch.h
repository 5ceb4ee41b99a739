// Noticing that this process is a forked child.
#pragma once

#include <cstdint>

namespace mayfly {

/// A number that is counted up in each forked child, so that state made before the fork can be told
/// apart from state of this process. Reading it costs one load; nothing is locked.
class ForkEpoch {
 public:
  /// Registers the fork handler, once for each process image.
  /// @throws Error CKR_HOST_MEMORY when that isn't possible.
  static void watch();
  [[nodiscard]] static std::uint64_t current() noexcept;
};

}  // namespace mayfly
