#include "tools/serve/event_loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "tools/broker/boot_timer.h"
#include "tools/broker/event_descriptor.h"

namespace mayfly::serve {
namespace {

// Numbers of what the loop itself waits for; watches count up from behind them.
constexpr std::uint64_t kAlarm = 1;
constexpr std::uint64_t kLetter = 2;

[[noreturn]] void throw_loop_error(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void add_to(int epoll, int descriptor, std::uint64_t number) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = number;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) throw_loop_error("epoll_ctl");
}

}  // namespace

EventLoop::Watch::Watch(Watch&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)),
      descriptor_(other.descriptor_),
      number_(other.number_) {}

EventLoop::Watch& EventLoop::Watch::operator=(Watch&& other) noexcept {
  if (this == &other) return *this;
  stop();
  loop_ = std::exchange(other.loop_, nullptr);
  descriptor_ = other.descriptor_;
  number_ = other.number_;
  return *this;
}

void EventLoop::Watch::stop() noexcept {
  if (loop_ == nullptr) return;
  epoll_ctl(loop_->epoll_.number(), EPOLL_CTL_DEL, descriptor_, nullptr);
  loop_->watches_.erase(number_);
  loop_ = nullptr;
}

EventLoop::Timer::Timer(Timer&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)), key_(other.key_) {}

EventLoop::Timer& EventLoop::Timer::operator=(Timer&& other) noexcept {
  if (this == &other) return *this;
  stop();
  loop_ = std::exchange(other.loop_, nullptr);
  key_ = other.key_;
  return *this;
}

void EventLoop::Timer::stop() noexcept {
  if (loop_ == nullptr) return;
  loop_->timers_.erase(key_);
  loop_ = nullptr;
}

EventLoop::EventLoop()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      alarm_(broker::make_boot_timer()),
      letter_(broker::make_event()),
      count_(kLetter) {
  if (!epoll_) throw_loop_error("epoll");
  add_to(epoll_.number(), alarm_.number(), kAlarm);
  add_to(epoll_.number(), letter_.number(), kLetter);
}

/// What goes with a function that is never called may hold watches and timers of this loop.
EventLoop::~EventLoop() {
  const auto posted = std::exchange(posted_, {});
  const auto timers = std::exchange(timers_, {});
  const auto watches = std::exchange(watches_, {});
}

EventLoop::Watch EventLoop::watch(int descriptor, Function on_ready) {
  const std::uint64_t number = ++count_;
  watches_.emplace(number, std::make_shared<const Function>(std::move(on_ready)));
  try {
    add_to(epoll_.number(), descriptor, number);
  } catch (...) {
    watches_.erase(number);
    throw;
  }
  return {*this, descriptor, number};
}

EventLoop::Timer EventLoop::at(BootClock::time_point when, Function function) {
  const Timer::Key key{when, ++count_};
  timers_.emplace(key, std::move(function));
  return {*this, key};
}

void EventLoop::post(Function function) {
  {
    const std::scoped_lock lock(mutex_);
    posted_.push_back(std::move(function));
  }
  eventfd_write(letter_.number(), 1);
}

void EventLoop::run() {
  while (!stopped_) turn();
}

void EventLoop::turn() {
  set_alarm();
  std::array<epoll_event, 64> events{};
  const int count = epoll_wait(epoll_.number(), events.data(), static_cast<int>(events.size()), -1);
  if (count < 0 && errno != EINTR) throw_loop_error("epoll_wait");
  for (int i = 0; i < count && !stopped_; ++i) {
    const std::uint64_t number = events.at(static_cast<std::size_t>(i)).data.u64;
    if (number == kAlarm) {
      call_due();
    } else if (number == kLetter) {
      call_posted();
    } else if (const auto found = watches_.find(number); found != watches_.end()) {
      const std::shared_ptr<const Function> on_ready = found->second;  // it may end its own watch
      (*on_ready)();
    }
  }
}

void EventLoop::call_posted() {
  eventfd_t ignored = 0;
  eventfd_read(letter_.number(), &ignored);
  std::vector<Function> posted;
  {
    const std::scoped_lock lock(mutex_);
    posted.swap(posted_);
  }
  for (const Function& function : posted) function();
}

/// What is due now; what becomes due meanwhile has its turn after the descriptors.
void EventLoop::call_due() {
  std::uint64_t ignored = 0;
  [[maybe_unused]] const ssize_t size = read(alarm_.number(), &ignored, sizeof ignored);
  alarm_is_at_ = BootClock::time_point::max();
  const auto now = BootClock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const auto entry = timers_.extract(timers_.begin());
    entry.mapped()();
  }
}

void EventLoop::set_alarm() {
  const auto earliest =
      timers_.empty() ? BootClock::time_point::max() : timers_.begin()->first.first;
  if (earliest == alarm_is_at_) return;
  broker::set_boot_timer(alarm_, earliest);
  alarm_is_at_ = earliest;
}

}  // namespace mayfly::serve
