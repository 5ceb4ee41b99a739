// A mutex for what takes about as long as falling asleep does.
#pragma once

#include <pthread.h>

namespace mayfly {

/// AdaptiveMutex waits awake for a moment before it sleeps, by glibc's PTHREAD_MUTEX_ADAPTIVE_NP:
/// where it is held for a microsecond or two, that is nearly always enough. Lockable as std::mutex.
class AdaptiveMutex {
 public:
  AdaptiveMutex() noexcept = default;
  ~AdaptiveMutex() { pthread_mutex_destroy(&mutex_); }
  AdaptiveMutex(const AdaptiveMutex&) = delete;
  AdaptiveMutex& operator=(const AdaptiveMutex&) = delete;

  void lock() noexcept { pthread_mutex_lock(&mutex_); }
  void unlock() noexcept { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_ = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
};

}  // namespace mayfly
