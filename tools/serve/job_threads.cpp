#include "tools/serve/job_threads.h"

#include <utility>

namespace mayfly::serve {

JobThreads::JobThreads(std::size_t threads) {
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

JobThreads::~JobThreads() {
  {
    const std::scoped_lock lock(mutex_);
    over_ = true;
    jobs_.clear();
  }
  news_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void JobThreads::add(std::function<void()> job) {
  {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  news_.notify_one();
}

void JobThreads::work() {
  while (true) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      news_.wait(lock, [this] { return over_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace mayfly::serve
