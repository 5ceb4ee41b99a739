// One thread that waits for everything.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"

namespace mayfly::serve {

/// EventLoop calls functions when descriptors can be read and when times have come. Only post() may
/// be called from other threads. A function may end any watch or timer, its own too.
class EventLoop {
 public:
  using Function = std::function<void()>;

  /// A descriptor that is watched as long as this lives. It must be dropped before the descriptor
  /// is closed, and before the loop goes.
  class Watch {
   public:
    Watch() noexcept = default;
    Watch(Watch&& other) noexcept;
    Watch& operator=(Watch&& other) noexcept;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() { stop(); }

    void stop() noexcept;

   private:
    friend class EventLoop;
    Watch(EventLoop& loop, int descriptor, std::uint64_t number) noexcept
        : loop_(&loop), descriptor_(descriptor), number_(number) {}

    EventLoop* loop_ = nullptr;
    int descriptor_ = -1;
    std::uint64_t number_ = 0;
  };

  /// A time that is waited for as long as this lives.
  class Timer {
   public:
    Timer() noexcept = default;
    Timer(Timer&& other) noexcept;
    Timer& operator=(Timer&& other) noexcept;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { stop(); }

    void stop() noexcept;

   private:
    friend class EventLoop;
    using Key = std::pair<BootClock::time_point, std::uint64_t>;
    Timer(EventLoop& loop, Key key) noexcept : loop_(&loop), key_(key) {}

    EventLoop* loop_ = nullptr;
    Key key_{};
  };

  /// @throws std::system_error
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Calls `on_ready` again and again as long as there is something to read, or the other side has
  /// hung up.
  /// @throws std::system_error
  [[nodiscard]] Watch watch(int descriptor, Function on_ready);

  /// Calls a function once, at a time.
  [[nodiscard]] Timer at(BootClock::time_point when, Function function);
  [[nodiscard]] Timer after(BootClock::duration time, Function function) {
    return at(BootClock::now() + time, std::move(function));
  }

  /// Has the loop call a function soon. From any thread.
  void post(Function function);

  /// Goes on until stop() is called by one of the functions.
  /// @throws std::system_error, and whatever a function throws.
  void run();
  void stop() noexcept { stopped_ = true; }

 private:
  void turn();
  void call_posted();
  void call_due();
  void set_alarm();

  Descriptor epoll_;
  Descriptor alarm_;   // a timerfd for the earliest timer
  Descriptor letter_;  // an eventfd: something was posted
  bool stopped_ = false;
  std::uint64_t count_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<const Function>> watches_;
  std::map<Timer::Key, Function> timers_;
  BootClock::time_point alarm_is_at_ = BootClock::time_point::max();
  std::mutex mutex_;  // guards posted_
  std::vector<Function> posted_;
};

}  // namespace mayfly::serve
