#include "tools/broker/agent_application.h"

#include <algorithm>
#include <sys/socket.h>

#include <openssl/crypto.h>

#include "base/error.h"
#include "base/random.h"
#include "base/safeguard.h"
#include "tools/broker/child_tasks.h"

namespace mayfly::broker {

AgentApplication::AgentApplication(TaskTable& tasks, std::shared_ptr<Task> task,
                                   std::size_t max_sessions, pid_t process, ChildTasks& children)
    : application_(tasks, max_sessions),
      task_(std::move(task)),
      children_(children),
      token_(application_.token(task_->slot())),
      process_(process) {
  fill_random(lane_key_, "a lane key");
}

bool AgentApplication::may_join(ByteView key, pid_t process) const noexcept {
  return process == process_ && key.size() == lane_key_.size() &&
         CRYPTO_memcmp(key.data(), lane_key_.data(), key.size()) == 0;
}

std::pair<std::uint64_t, std::shared_ptr<Task>> AgentApplication::open_child(
    const TaskRequest& request) {
  std::shared_ptr<ChildTask> child = children_.open(request, task_);
  const std::scoped_lock lock(mutex_);
  if (ended_) {
    child->end(TaskState::closed);
    throw Error(CKR_DEVICE_REMOVED, "the application has ended");
  }
  std::erase_if(opened_, [](const auto& known) { return known.second->task()->is_over(); });
  opened_.emplace(++last_child_, child);
  return {last_child_, child->task()};
}

std::shared_ptr<ChildTask> AgentApplication::find_child(std::uint64_t child) {
  const std::scoped_lock lock(mutex_);
  const auto known = opened_.find(child);
  if (known == opened_.end()) {
    throw Error(CKR_ARGUMENTS_BAD, "no task below this one has that name");
  }
  return known->second;
}

void AgentApplication::add_door(std::uint64_t child, bool for_p11kit, Descriptor listening) {
  const auto kind = for_p11kit ? ChildTasks::DoorKind::p11kit : ChildTasks::DoorKind::agents;
  children_.add_door(find_child(child), kind, std::move(listening));
}

EndReport AgentApplication::close_child(std::uint64_t child) {
  return find_child(child)->end(TaskState::closed);
}

void AgentApplication::end() noexcept {
  decltype(opened_) opened;
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    opened.swap(opened_);
    for (const int socket : lanes_) shutdown(socket, SHUT_RDWR);
  }
  for (const auto& [name, child] : opened) child->end(TaskState::closed);
  application_.finish();
}

AgentApplication::Lane::Lane(std::shared_ptr<AgentApplication> application, int socket, bool first)
    : application_(std::move(application)), socket_(socket), first_(first) {
  const std::scoped_lock lock(application_->mutex_);
  // As if it were not known any more: it is on its way out.
  if (application_->ended_) {
    throw Error(CKR_FUNCTION_REJECTED, "the application of that lane key has ended");
  }
  application_->lanes_.push_back(socket_);
}

AgentApplication::Lane::~Lane() {
  {
    const std::scoped_lock lock(application_->mutex_);
    std::erase(application_->lanes_, socket_);
  }
  if (!kept(Safeguard::connection_cleanup)) {
    static_cast<void>(new std::shared_ptr(application_));  // it lives on
  } else if (first_) {
    application_->end();
  }
}

}  // namespace mayfly::broker
