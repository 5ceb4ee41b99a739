#include "tools/broker/registry_thread.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "tools/broker/event_descriptor.h"

namespace mayfly::broker {
namespace {

using std::chrono::milliseconds;

// Between attempts to reach a registry that is away.
constexpr milliseconds kAway{1'000};

}  // namespace

RegistryThread::RegistryThread(std::shared_ptr<RegistryBook> book, milliseconds lease,
                               Listener listener)
    : book_(std::move(book)),
      lease_(lease),
      listener_(std::move(listener)),
      wake_(make_event()),
      only_dead_before_(BootClock::now() + lease),
      thread_([this] { work(); }) {
  book_->tell_when_owed([this] { nudge(); });
}

RegistryThread::~RegistryThread() {
  book_->tell_when_owed({});
  {
    const std::scoped_lock lock(mutex_);
    over_ = true;
  }
  nudge();
  thread_.join();
}

void RegistryThread::nudge() noexcept { eventfd_write(wake_.number(), 1); }

void RegistryThread::finished(const std::string& broker) {
  {
    const std::scoped_lock lock(mutex_);
    finished_.push_back(broker);
  }
  nudge();
}

bool RegistryThread::is_over() {
  const std::scoped_lock lock(mutex_);
  return over_;
}

void RegistryThread::work() {
  const std::unique_ptr<Watch> watch = book_->registry().watch();
  while (!is_over()) {
    // The lease first: with a registry that was away, the tasks may be nobody's any more.
    if (BootClock::now() >= next_renewal_) keep_lease();
    // Each of these may take the registry's time-out; whoever ends the thread waits for one of
    // them.
    if (is_over()) break;
    if (std::exchange(is_due_, false)) {
      is_reached_ = book_->keep_up();
      if (!is_reached_) note_that_it_is_away();
    }
    if (auto serials = book_->ordered_to_end(); !serials.empty()) {
      listener_.ordered(std::move(serials));
      is_due_ = true;  // until it is recorded that they have ended
    }
    if (is_over()) break;
    finish_take_overs();
    wait(*watch);
  }
}

void RegistryThread::keep_lease() {
  next_renewal_ = BootClock::now() + std::min<BootClock::duration>(lease_ / 3, kAway * 20);
  const RegistryBook::Renewal renewal = book_->renew_lease();
  if (renewal == RegistryBook::Renewal::not_known) return note_that_it_is_away();
  if (renewal == RegistryBook::Renewal::too_late) listener_.lost();
  try {
    if (is_over()) return;
    book_->enrol();
    if (!is_over()) take_over();
  } catch (const std::exception& error) {
    note_that_it_is_away();
    log::warn("the registry can't be told that this broker lives", error);
  }
}

void RegistryThread::note_that_it_is_away() noexcept {
  const BootClock::time_point now = BootClock::now();
  only_dead_before_ = now + lease_;
  next_renewal_ = std::min(next_renewal_, now + std::min<BootClock::duration>(lease_ / 3, kAway));
}

void RegistryThread::take_over() {
  const std::optional<BrokerRecord> self = book_->broker();
  if (!self) return;
  const TakeOverScope scope =
      BootClock::now() < only_dead_before_ ? TakeOverScope::dead : TakeOverScope::lapsed;
  for (const TakenOver& left : book_->registry().take_over(*self, scope)) {
    log::warn("broker " + left.broker.id + " is gone; " + std::to_string(left.tasks.size()) +
              " tasks of it are lost, which may have left " +
              std::to_string(left.stored_keys.size()) + " keys on the device");
    if (left.stored_keys.empty()) {
      finished(left.broker.id);
    } else {
      listener_.inherited(left);
    }
  }
}

void RegistryThread::finish_take_overs() {
  while (true) {
    std::string broker;
    {
      const std::scoped_lock lock(mutex_);
      if (finished_.empty()) return;
      broker = finished_.front();
    }
    const std::optional<BrokerRecord> self = book_->broker();
    if (!self) return;
    try {
      book_->registry().finish_take_over(self->id, broker);
    } catch (const std::exception& error) {
      log::warn("that a dead broker's keys are gone is recorded later", error);
      return;
    }
    const std::scoped_lock lock(mutex_);
    finished_.pop_front();
  }
}

/// Until there is something to do.
void RegistryThread::wait(Watch& watch) {
  const auto until_renewal = std::chrono::ceil<milliseconds>(next_renewal_ - BootClock::now());
  const milliseconds most = is_reached_ ? watch.longest_wait() : kAway;
  const auto pause = std::clamp(until_renewal, milliseconds(0), most);
  std::array<pollfd, 2> entries{
      {{wake_.number(), POLLIN, 0}, {is_reached_ ? watch.descriptor() : -1, POLLIN, 0}}};
  poll(entries.data(), entries.size(), static_cast<int>(pause.count()));
  eventfd_t nudges = 0;
  const bool was_nudged = eventfd_read(wake_.number(), &nudges) == 0;
  if (watch.changed() || was_nudged || !is_reached_ || book_->owes()) is_due_ = true;
}

}  // namespace mayfly::broker
