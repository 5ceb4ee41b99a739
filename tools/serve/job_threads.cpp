#include "tools/serve/job_threads.h"

#include <system_error>
#include <utility>

namespace mayfly::serve {

JobThreads::JobThreads(std::size_t most) : most_(most) {
  threads_.reserve(most);
  threads_.emplace_back([this] { work(); });
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
    if (!over_ && jobs_.size() > idle_ && threads_.size() < most_) {
      try {
        threads_.emplace_back([this] { work(); });
      } catch (const std::system_error&) {  // those that there are do it, later
      }
    }
  }
  news_.notify_one();
}

void JobThreads::work() {
  while (true) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      ++idle_;
      news_.wait(lock, [this] { return over_ || !jobs_.empty(); });
      --idle_;
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace mayfly::serve
