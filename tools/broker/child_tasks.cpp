#include "tools/broker/child_tasks.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>

#include "base/error.h"

namespace mayfly::broker {
namespace {

int socket_option(int socket, int option) noexcept {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/// An agent can pass any descriptor: one on which an accept would hang, or of another kind.
bool is_listening(int socket, int type) noexcept {
  const int flags = fcntl(socket, F_GETFL);
  return socket_option(socket, SO_DOMAIN) == AF_UNIX && socket_option(socket, SO_TYPE) == type &&
         socket_option(socket, SO_ACCEPTCONN) == 1 && flags >= 0 &&
         fcntl(socket, F_SETFL, flags | O_NONBLOCK) == 0;
}

}  // namespace

ChildTask::ChildTask(std::unique_ptr<TaskTable> table, const TaskRequest& request,
                     const std::shared_ptr<Task>& parent, std::size_t sessions,
                     ChildTasks& children)
    : table_(std::move(table)),
      task_(table_->open(request, parent)),
      p11kit_door_(*table_, sessions),
      agent_door_(*table_, task_, sessions, children) {}

ChildTasks::ChildTasks(TaskTable& tasks, std::size_t sessions, ConnectionSet& connections)
    : tasks_(tasks),
      sessions_(sessions),
      connections_(connections),
      events_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!events_) throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

ChildTasks::Children ChildTasks::all() const {
  const std::scoped_lock lock(mutex_);
  return children_;
}

std::shared_ptr<ChildTask> ChildTasks::open(const TaskRequest& request,
                                            const std::shared_ptr<Task>& parent) {
  if (all().size() >= kMost) {
    throw Error(CKR_SESSION_COUNT, "there are " + std::to_string(kMost) +
                                       " tasks below this one already; end some of them");
  }
  auto child = std::make_shared<ChildTask>(tasks_.make_beside(), request, parent, sessions_, *this);
  const std::scoped_lock lock(mutex_);
  children_.push_back(child);
  return child;
}

void ChildTasks::add_door(const std::shared_ptr<ChildTask>& child, DoorKind kind,
                          Descriptor listening) {
  const bool for_p11kit = kind == DoorKind::p11kit;
  if (!is_listening(listening.number(), for_p11kit ? SOCK_STREAM : SOCK_SEQPACKET)) {
    throw Error(CKR_ARGUMENTS_BAD, "what was passed is no socket that a task can be served at");
  }
  const std::scoped_lock lock(mutex_);
  Descriptor& place = for_p11kit ? child->p11kit_ : child->agents_;
  if (place) throw Error(CKR_ARGUMENTS_BAD, "the task has a socket of this kind already");
  place = std::move(listening);
  // work() looks at all that listen: which one it was does not matter.
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(events_.number(), EPOLL_CTL_ADD, place.number(), &event) != 0) {
    const int reason = errno;
    place.reset();
    throw Error(CKR_FUNCTION_FAILED,
                "a socket can't be waited for: " + std::generic_category().message(reason));
  }
}

void ChildTasks::accept_at(const std::shared_ptr<ChildTask>& child, Descriptor& listening,
                           FrontDoor& door) {
  if (!listening) return;
  Descriptor socket(accept4(listening.number(), nullptr, nullptr, SOCK_CLOEXEC));
  if (socket) {
    // The door lives as long as its task is held.
    connections_.serve(std::move(socket), std::shared_ptr<FrontDoor>(child, &door));
  } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
    // Its next client would find the same, and this thread no rest.
    log_.warn([&] {
      return "a task below the worker's takes no more connections: " +
             std::generic_category().message(errno);
    });
    listening.reset();
  }
}

void ChildTasks::work() {
  for (const auto& child : all()) {
    const std::scoped_lock lock(mutex_);
    accept_at(child, child->p11kit_, child->p11kit_door_);
    accept_at(child, child->agents_, child->agent_door_);
  }
  forget_ended();
}

void ChildTasks::forget_ended() {
  Children ended;  // goes without the lock
  const std::scoped_lock lock(mutex_);
  for (const auto& child : children_) {
    if (!child->task_->is_over()) continue;
    child->p11kit_.reset();
    child->agents_.reset();
    ended.push_back(child);
  }
  std::erase_if(children_, [](const auto& child) { return child->task_->is_over(); });
}

std::optional<BootClock::time_point> ChildTasks::expire_due(BootClock::time_point now) {
  std::optional<BootClock::time_point> next;
  for (const auto& child : all()) {
    child->table_->expire_due(now);
    if (child->task_->alive(now) && (!next || child->task_->deadline() < *next)) {
      next = child->task_->deadline();
    }
  }
  forget_ended();
  return next;
}

void ChildTasks::obey(const std::vector<std::string>& ordered) noexcept {
  try {
    for (const auto& child : all()) child->table_->obey(ordered);
  } catch (const std::exception& error) {
    log::warn("an order to end tasks was not obeyed", error);
  }
}

void ChildTasks::close_doors() noexcept {
  const std::scoped_lock lock(mutex_);
  for (const auto& child : children_) {
    child->p11kit_.reset();
    child->agents_.reset();
  }
}

}  // namespace mayfly::broker
