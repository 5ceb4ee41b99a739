#include "tools/serve/task_sockets.h"

#include <cerrno>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/broker/runtime_folder.h"
#include "tools/failure.h"

namespace mayfly::serve {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kOwnerOnly = 0600;
constexpr mode_t kAnybody = 0666;

}  // namespace

TaskSockets::TaskSockets(const fs::path& place, const std::string& serial, uid_t user)
    : folder_(place / serial) {
  const bool is_ours = user == geteuid();
  if (mkdir(folder_.c_str(), 0700) != 0) throw tools::file_failure(folder_, errno);
  try {
    // Before others can come in.
    const mode_t mode = is_ours || geteuid() == 0 ? kOwnerOnly : kAnybody;
    p11kit_ = broker::listen_at(socket_path(), SOCK_STREAM, mode);
    agents_ = broker::listen_at(door_path(), SOCK_SEQPACKET, mode);
    if (is_ours) return;
    const auto group = static_cast<gid_t>(-1);
    if (mode == kOwnerOnly && (chown(socket_path().c_str(), user, group) != 0 ||
                               chown(door_path().c_str(), user, group) != 0)) {
      throw tools::file_failure(folder_, errno);
    }
    if (chmod(folder_.c_str(), 0711) != 0) throw tools::file_failure(folder_, errno);
  } catch (...) {
    remove();
    throw;
  }
}

fs::path TaskSockets::socket_path() const { return fs::path(folder_) / "socket"; }

fs::path TaskSockets::door_path() const { return fs::path(folder_) / broker::kDoorName; }

void TaskSockets::remove() noexcept {
  if (folder_.empty()) return;
  p11kit_.reset();
  agents_.reset();
  unlink((folder_ + "/socket").c_str());
  unlink((folder_ + "/" + std::string(broker::kDoorName)).c_str());
  rmdir(folder_.c_str());
  folder_.clear();
}

}  // namespace mayfly::serve
