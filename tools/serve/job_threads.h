// Threads for what may take its time.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mayfly::serve {

/// JobThreads does one job after the other in each of a few threads. A job must not throw.
class JobThreads {
 public:
  /// Starts one thread; the others when there is more to do.
  /// @param most  Threads in all.
  /// @throws std::system_error
  explicit JobThreads(std::size_t most);
  /// Waits for the jobs that have begun; the others are dropped.
  ~JobThreads();
  JobThreads(const JobThreads&) = delete;
  JobThreads& operator=(const JobThreads&) = delete;

  /// A thread that this starts takes no signals if the caller has blocked them.
  void add(std::function<void()> job);

 private:
  void work();

  const std::size_t most_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable news_;
  std::deque<std::function<void()>> jobs_;
  bool over_ = false;
  std::size_t idle_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace mayfly::serve
