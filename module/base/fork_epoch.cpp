#include "base/fork_epoch.h"

#include <atomic>
#include <pthread.h>

#include "base/error.h"
#include "base/safeguard.h"

namespace mayfly {
namespace {

std::atomic<std::uint64_t> epoch{1};
std::atomic<bool> watching{false};

}  // namespace

void ForkEpoch::watch() {
  if (watching.exchange(true)) return;
  if (pthread_atfork(nullptr, nullptr, [] { epoch.fetch_add(1); }) != 0) {
    watching.store(false);
    throw Error(CKR_HOST_MEMORY, "no memory for the fork handler");
  }
}

std::uint64_t ForkEpoch::current() noexcept {
  return kept(Safeguard::fork_epoch) ? epoch.load(std::memory_order_relaxed) : 1;
}

}  // namespace mayfly
