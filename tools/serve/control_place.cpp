#include "tools/serve/control_place.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/broker/runtime_folder.h"
#include "tools/failure.h"

namespace mayfly::serve {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kOpenToAll = 0666;  // who may do what is decided for each request

void check_length(const fs::path& path) {
  if (path.string().size() <= broker::kMaxSocketPath) return;
  throw tools::Failure(tools::kBadConfiguration,
                       "serve.socket is longer than the " + std::to_string(broker::kMaxSocketPath) +
                           " bytes that a socket's path may have; choose a shorter one");
}

void make_folder(const fs::path& folder) {
  if (mkdir(folder.c_str(), 0700) == 0) {
    if (chmod(folder.c_str(), 0755) == 0) return;
  } else if (errno == EEXIST) {
    return;
  }
  throw tools::file_failure(folder.string(), errno);
}

Descriptor make_lock(const fs::path& path) {
  const std::string name = path.string() + ".lock";
  Descriptor lock(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) throw tools::file_failure(name, errno);
  if (flock(lock.number(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) throw tools::file_failure(name, errno);
  throw tools::Failure(tools::kAlreadyExists,
                       "another mayfly serve has " + path.string() +
                           " already; give this one another serve.socket, or end the other");
}

}  // namespace

ControlPlace::ControlPlace(fs::path path) : path_(std::move(path)) {
  check_length(path_);
  make_folder(path_.parent_path());
  broker::require_safe_place(path_.parent_path());
  lock_ = make_lock(path_);
  if (unlink(path_.c_str()) != 0 && errno != ENOENT) {
    throw tools::file_failure(path_.string(), errno);
  }
  socket_ = broker::listen_at(path_, SOCK_SEQPACKET, kOpenToAll);
}

ControlPlace::~ControlPlace() { unlink(path_.c_str()); }

}  // namespace mayfly::serve
