// Waiting in a process that libFuzzer interrupts with its own timer.
#pragma once

#include <cerrno>
#include <poll.h>
#include <span>

namespace mayfly::test {

/// Waits until one of the descriptors is ready. False after a minute.
inline bool await(std::span<pollfd> entries) {
  int ready = 0;
  do {
    ready = poll(entries.data(), entries.size(), 60'000);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace mayfly::test
