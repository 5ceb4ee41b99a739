#include "tools/broker/child_doors.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>

#include "base/error.h"
#include "tools/broker/event_descriptor.h"

namespace mayfly::broker {
namespace {

// Connections that wait to be served; what is more is closed.
constexpr std::size_t kMostWaiting = 64;
constexpr std::chrono::milliseconds kNoRoom{100};

int socket_option(int socket, int option) noexcept {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/// An agent can pass any descriptor.
bool is_listening(int socket, int type) noexcept {
  return socket_option(socket, SO_DOMAIN) == AF_UNIX && socket_option(socket, SO_TYPE) == type &&
         socket_option(socket, SO_ACCEPTCONN) == 1;
}

bool watch(int events, int descriptor, std::uint64_t name) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = name;
  return epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

}  // namespace

ChildDoors::ChildDoors()
    : events_(epoll_create1(EPOLL_CLOEXEC)), wake_(make_event()), news_(make_event()) {
  if (!events_ || !watch(events_.number(), wake_.number(), 0)) {
    throw std::system_error(errno, std::generic_category(), "epoll");
  }
}

ChildDoors::Name ChildDoors::add(Descriptor listening, int type, std::weak_ptr<FrontDoor> door) {
  if (!is_listening(listening.number(), type)) {
    throw Error(CKR_ARGUMENTS_BAD, "what was passed is no socket that a task can be served at");
  }
  const std::scoped_lock lock(mutex_);
  if (closed_) throw Error(CKR_FUNCTION_FAILED, "the task above is about to end");
  auto fresh = std::make_shared<Door>(Door{std::move(listening), std::move(door)});
  const int number = fresh->listening.number();
  const Name name = ++last_;
  const auto [place, is_new] = doors_.emplace(name, std::move(fresh));
  if (!watch(events_.number(), number, name)) {
    const int reason = errno;
    doors_.erase(place);
    throw Error(CKR_FUNCTION_FAILED,
                "a socket can't be waited for: " + std::generic_category().message(reason));
  }
  try {
    if (!thread_.joinable()) thread_ = std::thread([this] { accept_all(); });
  } catch (const std::system_error& error) {
    forget(place);
    throw Error(CKR_FUNCTION_FAILED,
                "there is nothing to serve a task with: " + std::string(error.what()));
  }
  return name;
}

/// Also lets an accept that hangs at the socket return. Called with the lock held.
void ChildDoors::forget(std::map<Name, std::shared_ptr<Door>>::iterator door) noexcept {
  const int listening = door->second->listening.number();
  // Others may have the same socket open: it would go on to be waited for.
  epoll_ctl(events_.number(), EPOLL_CTL_DEL, listening, nullptr);
  shutdown(listening, SHUT_RDWR);
  doors_.erase(door);
}

void ChildDoors::remove(Name door) noexcept {
  const std::scoped_lock lock(mutex_);
  if (const auto known = doors_.find(door); known != doors_.end()) forget(known);
}

void ChildDoors::close() noexcept {
  std::thread thread;
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    while (!doors_.empty()) forget(doors_.begin());
    thread.swap(thread_);
    eventfd_write(wake_.number(), 1);
  }
  if (thread.joinable()) thread.join();
}

void ChildDoors::accept_all() noexcept {
  std::array<epoll_event, 16> ready{};
  while (true) {
    const int count = epoll_wait(events_.number(), ready.data(), ready.size(), -1);
    {
      const std::scoped_lock lock(mutex_);
      if (closed_) return;
    }
    for (int i = 0; i < count; ++i) {
      try {
        accept_one(ready.at(static_cast<std::size_t>(i)).data.u64);
      } catch (const std::exception& error) {
        log_.warn([&] { return "a connection was not taken: " + std::string(error.what()); });
      }
    }
  }
}

void ChildDoors::accept_one(Name name) {
  std::shared_ptr<Door> door;
  {
    const std::scoped_lock lock(mutex_);
    const auto known = doors_.find(name);
    if (known == doors_.end()) return;
    door = known->second;
  }
  Descriptor socket(accept4(door->listening.number(), nullptr, nullptr, SOCK_CLOEXEC));
  const int reason = errno;
  if (!socket) {
    const bool no_room =
        reason == EMFILE || reason == ENFILE || reason == ENOBUFS || reason == ENOMEM;
    if (no_room) {
      std::this_thread::sleep_for(kNoRoom);
    } else if (reason != EAGAIN && reason != EINTR && reason != ECONNABORTED) {
      remove(name);  // it would be ready for ever
    }
    return;
  }
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<FrontDoor> front = door->front.lock();
  if (front == nullptr || accepted_.size() >= kMostWaiting) return;
  accepted_.push_back({std::move(socket), std::move(front)});
  eventfd_write(news_.number(), 1);
}

std::vector<ChildDoors::Accepted> ChildDoors::take() {
  eventfd_t times = 0;
  eventfd_read(news_.number(), &times);
  const std::scoped_lock lock(mutex_);
  return std::exchange(accepted_, {});
}

}  // namespace mayfly::broker
