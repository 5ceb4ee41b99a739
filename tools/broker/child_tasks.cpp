#include "tools/broker/child_tasks.h"

#include <algorithm>
#include <sys/socket.h>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace mayfly::broker {

ChildTask::ChildTask(std::unique_ptr<TaskTable> table, const TaskRequest& request,
                     const std::shared_ptr<Task>& parent, std::size_t sessions,
                     ChildTasks& children)
    : table_(std::move(table)),
      task_(table_->open(request, parent)),
      p11kit_door_(*table_, sessions),
      agent_door_(*table_, task_, sessions, children) {}

/// The place of a task that is being opened: several are at the same time.
class ChildTasks::Place {
 public:
  explicit Place(ChildTasks& tasks) : tasks_(tasks) {
    const std::scoped_lock lock(tasks_.mutex_);
    if (tasks_.children_.size() + tasks_.opening_ >= kMost) {
      throw Error(CKR_SESSION_COUNT, "there are " + std::to_string(kMost) +
                                         " tasks below this one already; end some of them");
    }
    ++tasks_.opening_;
  }
  ~Place() {
    const std::scoped_lock lock(tasks_.mutex_);
    --tasks_.opening_;
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  ChildTasks& tasks_;
};

ChildTasks::Children ChildTasks::all() const {
  const std::scoped_lock lock(mutex_);
  return children_;
}

std::shared_ptr<ChildTask> ChildTasks::open(TaskRequest request,
                                            const std::shared_ptr<Task>& parent) {
  const Place place(*this);
  request.opener = Peer{user_, {}};
  auto child = std::make_shared<ChildTask>(tasks_.make_beside(), request, parent, sessions_, *this);
  const std::scoped_lock lock(mutex_);
  if (is_closed_) throw Error(CKR_FUNCTION_FAILED, "the task above is about to end");
  children_.push_back(child);
  return child;
}

void ChildTasks::close() noexcept {
  doors_.close();
  const std::scoped_lock lock(mutex_);
  is_closed_ = true;
}

void ChildTasks::add_door(const std::shared_ptr<ChildTask>& child, DoorKind kind,
                          Descriptor listening) {
  const bool for_p11kit = kind == DoorKind::p11kit;
  FrontDoor& door = for_p11kit ? static_cast<FrontDoor&>(child->p11kit_door_) : child->agent_door_;
  const std::scoped_lock lock(mutex_);
  // Nobody would take the socket away again.
  if (child->task_->is_over()) {
    throw Error(CKR_DEVICE_REMOVED, "task " + child->task_->id() + " has ended");
  }
  ChildDoors::Name& place = for_p11kit ? child->p11kit_ : child->agents_;
  if (place != 0) throw Error(CKR_ARGUMENTS_BAD, "the task has a socket of this kind already");
  // The door lives as long as its task is held.
  place = doors_.add(std::move(listening), for_p11kit ? SOCK_STREAM : SOCK_SEQPACKET,
                     std::shared_ptr<FrontDoor>(child, &door));
}

void ChildTasks::work() {
  for (ChildDoors::Accepted& one : doors_.take()) {
    connections_.serve(std::move(one.socket), std::move(one.door));
  }
}

void ChildTasks::forget_ended() {
  Children ended;  // goes without the lock
  const std::scoped_lock lock(mutex_);
  const auto over = std::ranges::stable_partition(
      children_, [](const auto& child) { return !child->task_->is_over(); });
  ended.assign(over.begin(), over.end());
  children_.erase(over.begin(), over.end());
  for (const auto& child : ended) {
    doors_.remove(child->p11kit_);
    doors_.remove(child->agents_);
  }
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

void ChildTasks::end_all(TaskState cause) noexcept {
  try {
    for (const auto& child : all()) child->end(cause);
  } catch (const std::exception& error) {
    log::warn("tasks below are not ended", error);
  }
}

}  // namespace mayfly::broker
