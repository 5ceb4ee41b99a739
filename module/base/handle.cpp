#include "base/handle.h"

namespace mayfly {

CK_ULONG next_handle_value() noexcept {
  // Handles stay below 2^31 for as long as possible: some clients keep them in 32 bits.
  static std::atomic<CK_ULONG> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace mayfly
