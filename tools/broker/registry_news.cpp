#include "tools/broker/registry_news.h"

#include <sys/eventfd.h>
#include <utility>

#include "base/error.h"
#include "tools/broker/event_descriptor.h"

namespace mayfly::broker {

RegistryNews::RegistryNews(std::chrono::milliseconds lease) : lease_(lease), event_(make_event()) {}

void RegistryNews::start(std::shared_ptr<RegistryBook> book) {
  RegistryThread::Listener listener;
  listener.ordered = [this](std::vector<std::string> serials) {
    {
      const std::scoped_lock lock(mutex_);
      news_.ordered = std::move(serials);
    }
    tell();
  };
  listener.inherited = [this](const TakenOver& left) {
    {
      const std::scoped_lock lock(mutex_);
      news_.inherited.push_back(left);
    }
    tell();
  };
  listener.lost = [this] {
    {
      const std::scoped_lock lock(mutex_);
      news_.lost = true;
    }
    tell();
  };
  const std::scoped_lock lock(mutex_);
  if (is_stopped_) throw Error(CKR_FUNCTION_FAILED, "the task is about to end");
  thread_ = std::make_unique<RegistryThread>(std::move(book), lease_, std::move(listener));
}

void RegistryNews::stop() noexcept {
  std::unique_ptr<RegistryThread> last;  // goes without the lock, which it takes to tell its news
  const std::scoped_lock lock(mutex_);
  is_stopped_ = true;
  last.swap(thread_);
}

void RegistryNews::finished(const std::string& broker) {
  const std::scoped_lock lock(mutex_);
  if (thread_ != nullptr) thread_->finished(broker);
}

void RegistryNews::tell() noexcept { eventfd_write(event_.number(), 1); }

RegistryNews::News RegistryNews::take() {
  eventfd_t times = 0;
  eventfd_read(event_.number(), &times);
  const std::scoped_lock lock(mutex_);
  return std::exchange(news_, {});
}

}  // namespace mayfly::broker
