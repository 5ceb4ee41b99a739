#include "tools/as_owner.h"

#include <algorithm>
#include <deque>
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "tools/failure.h"

namespace mayfly::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // as the kernel follows

struct Owner {
  uid_t user = 0;
  gid_t group = 0;
};

void go_before(std::deque<fs::path>& parts, const fs::path& path) {
  parts.insert(parts.begin(), path.begin(), path.end());
}

/// Root, where all of the path is his, or nothing is there.
Owner first_owner(const fs::path& folder) {
  std::deque<fs::path> parts;
  go_before(parts, fs::absolute(folder));
  fs::path at = "/";
  int links = 0;
  while (!parts.empty()) {
    const fs::path before = at;
    at /= parts.front();
    parts.pop_front();
    struct stat status {};
    if (lstat(at.c_str(), &status) != 0) break;
    if (status.st_uid != 0) return {status.st_uid, status.st_gid};
    if (!S_ISLNK(status.st_mode)) continue;
    if (++links > kMostLinks) break;
    go_before(parts, fs::read_symlink(at));
    at = before;  // a link that begins with a slash leads away from it
  }
  return {};
}

bool set_user(uid_t user) noexcept {
  setfsuid(user);
  return static_cast<uid_t>(setfsuid(static_cast<uid_t>(-1))) == user;
}

bool set_group(gid_t group) noexcept {
  setfsgid(group);
  return static_cast<gid_t>(setfsgid(static_cast<gid_t>(-1))) == group;
}

std::vector<gid_t> groups_of_this_process() {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(getgroups(0, nullptr), 0)));
  const int count = getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  return groups;
}

}  // namespace

AsOwner::AsOwner(const fs::path& folder) {
  if (geteuid() != 0) return;
  const Owner owner = first_owner(folder);
  if (owner.user == 0) return;
  std::vector<gid_t> groups = groups_of_this_process();
  // The user last: others than root may not set the rest.
  if (setgroups(0, nullptr) == 0 && set_group(owner.group) && set_user(owner.user)) {
    groups_ = std::move(groups);
    return;
  }
  set_user(geteuid());
  set_group(getegid());
  setgroups(groups.size(), groups.data());
  throw Failure(kSystem, folder.string() + " is in the hands of user " +
                             std::to_string(owner.user) +
                             ", and root can't act as that user here; run this as that user");
}

AsOwner::~AsOwner() {
  if (!groups_) return;
  set_user(geteuid());
  set_group(getegid());
  setgroups(groups_->size(), groups_->data());
}

}  // namespace mayfly::tools
