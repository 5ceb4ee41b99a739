#include "base/handle.h"

namespace mayfly {

namespace {

// Handles stay below 2^31 for as long as possible: some clients keep them in 32 bits.
std::atomic<CK_ULONG> next_value{1};

}  // namespace

CK_ULONG next_handle_value() noexcept { return next_value.fetch_add(1, std::memory_order_relaxed); }

#ifdef MAYFLY_SWITCHABLE_SAFEGUARDS
void start_handles_anew() noexcept { next_value.store(1); }
#endif

}  // namespace mayfly
