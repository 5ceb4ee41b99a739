#include "device/broker/lane_descriptors.h"

#include <array>
#include <atomic>
#include <mutex>
#include <pthread.h>
#include <unistd.h>

#include "base/error.h"

namespace mayfly::agent {
namespace {

// As many as a process has, and those of a link that is being closed while another is made. What
// finds no place is not closed by children, and their copy of it harms nobody but the parent.
constexpr std::size_t kPlaces = 64;
constexpr int kNone = -1;

struct Places {
  std::array<std::atomic<int>, kPlaces> descriptors;
  Places() noexcept {
    for (auto& place : descriptors) place.store(kNone);
  }
};

Places& places() noexcept {
  static Places places;
  return places;
}

/// Only close(2): other threads of the parent may have held any lock at the fork.
void close_copies() noexcept {
  for (auto& place : places().descriptors) {
    const int descriptor = place.exchange(kNone);
    if (descriptor != kNone) close(descriptor);
  }
}

void watch_forks() {
  static std::atomic<bool> watching{false};
  static_cast<void>(places());  // made before a child needs them
  if (watching.exchange(true)) return;
  if (pthread_atfork(nullptr, nullptr, close_copies) != 0) {
    watching.store(false);
    throw Error(CKR_HOST_MEMORY, "no memory for the fork handler");
  }
}

}  // namespace

void note_lane(int descriptor) {
  watch_forks();
  for (auto& place : places().descriptors) {
    int free = kNone;
    if (place.compare_exchange_strong(free, descriptor)) return;
  }
}

void forget_lane(int descriptor) noexcept {
  for (auto& place : places().descriptors) {
    int expected = descriptor;
    if (place.compare_exchange_strong(expected, kNone)) return;
  }
}

}  // namespace mayfly::agent
