#include "device/pkcs11/start_lock.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

#include "base/log.h"

namespace mayfly::pkcs11 {
namespace {

constexpr std::chrono::seconds kStartPatience{10};
constexpr std::chrono::milliseconds kInterval{10};

/// flock() has no time limit of its own.
bool lock_within(int descriptor, std::chrono::seconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const bool held_by_another = errno == EWOULDBLOCK || errno == EINTR;
    if (!held_by_another || std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(kInterval);
  }
  return true;
}

}  // namespace

StartLock::StartLock(const std::filesystem::path& file) {
  if (file.empty()) return;
  descriptor_ = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ >= 0 && lock_within(descriptor_, kStartPatience)) return;
  log::warn("the device is opened without waiting for other processes: " + file.string() +
            (descriptor_ < 0 ? " can't be opened: " : " can't be locked: ") + std::strerror(errno));
}

StartLock::~StartLock() {
  if (descriptor_ < 0) return;
  // Unlocked by name: a child that was forked meanwhile shares the open file, and closing this
  // descriptor alone would leave the lock to it.
  flock(descriptor_, LOCK_UN);
  close(descriptor_);
}

}  // namespace mayfly::pkcs11
