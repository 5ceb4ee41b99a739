#include "base/peer.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace mayfly {

Peer Peer::self() {
  const int count = getgroups(0, nullptr);
  std::vector<gid_t> groups(count < 0 ? 0 : static_cast<std::size_t>(count));
  const int read = count < 0 ? count : getgroups(count, groups.data());
  if (read < 0) throw std::system_error(errno, std::generic_category(), "getgroups");
  Peer self{geteuid(), {groups.begin(), groups.begin() + read}};
  self.groups.insert(getegid());
  return self;
}

bool PeerRule::admits(const Peer& peer) const noexcept {
  return users.contains(peer.user) ||
         std::ranges::any_of(peer.groups, [this](gid_t group) { return groups.contains(group); });
}

}  // namespace mayfly
