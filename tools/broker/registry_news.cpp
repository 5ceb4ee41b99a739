#include "tools/broker/registry_news.h"

#include <sys/eventfd.h>
#include <utility>

#include "tools/broker/event_descriptor.h"

namespace mayfly::broker {

RegistryNews::RegistryNews(std::shared_ptr<RegistryBook> book, std::chrono::milliseconds lease)
    : event_(make_event()) {
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
  thread_ = std::make_unique<RegistryThread>(std::move(book), lease, std::move(listener));
}

void RegistryNews::tell() noexcept { eventfd_write(event_.number(), 1); }

RegistryNews::News RegistryNews::take() {
  eventfd_t times = 0;
  eventfd_read(event_.number(), &times);
  const std::scoped_lock lock(mutex_);
  return std::exchange(news_, {});
}

}  // namespace mayfly::broker
