#include "tools/broker/agent_application.h"

#include <algorithm>
#include <sys/socket.h>

#include <openssl/crypto.h>

#include "base/error.h"
#include "base/random.h"

namespace mayfly::broker {

AgentApplication::AgentApplication(TaskTable& tasks, const Task& task, std::size_t max_sessions,
                                   pid_t process)
    : application_(tasks, max_sessions),
      token_(application_.token(task.slot())),
      process_(process) {
  fill_random(lane_key_, "a lane key");
}

bool AgentApplication::may_join(ByteView key, pid_t process) const noexcept {
  return process == process_ && key.size() == lane_key_.size() &&
         CRYPTO_memcmp(key.data(), lane_key_.data(), key.size()) == 0;
}

void AgentApplication::end() noexcept {
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    for (const int socket : lanes_) shutdown(socket, SHUT_RDWR);
  }
  application_.finish();
}

AgentApplication::Lane::Lane(std::shared_ptr<AgentApplication> application, int socket, bool first)
    : application_(std::move(application)), socket_(socket), first_(first) {
  const std::scoped_lock lock(application_->mutex_);
  if (application_->ended_) throw Error(CKR_DEVICE_REMOVED, "the application has ended");
  application_->lanes_.push_back(socket_);
}

AgentApplication::Lane::~Lane() {
  {
    const std::scoped_lock lock(application_->mutex_);
    std::erase(application_->lanes_, socket_);
  }
  if (first_) application_->end();
}

}  // namespace mayfly::broker
