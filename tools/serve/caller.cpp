#include "tools/serve/caller.h"

#include <cerrno>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "base/error.h"

namespace mayfly::serve {
namespace {

constexpr std::size_t kMostGroups = 65'536;  // NGROUPS_MAX

}  // namespace

std::optional<Caller> caller_at(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  std::vector<gid_t> groups(64);
  while (true) {
    size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) break;
    if (errno != ERANGE || groups.size() >= kMostGroups) return std::nullopt;
    groups.resize(kMostGroups);
  }
  groups.resize(size / sizeof(gid_t));
  Caller caller{{credentials.uid, {groups.begin(), groups.end()}}, credentials.pid};
  caller.peer.groups.insert(credentials.gid);
  return caller;
}

bool is_operator(const ServeConfig& config, const Peer& peer) noexcept {
  return peer.user == 0 || peer.user == geteuid() ||
         PeerRule{config.operators, config.operator_groups}.admits(peer);
}

bool may_open(const ServeConfig& config, const Peer& peer) noexcept {
  return is_operator(config, peer) || PeerRule{config.users, config.groups}.admits(peer);
}

Peer peer_of_user(uid_t user) {
  std::vector<char> room(16'384);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(user, &entry, room.data(), room.size(), &found) != 0 || found == nullptr) {
    throw Error(CKR_ARGUMENTS_BAD, "this machine has no user " + std::to_string(user));
  }
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  if (getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<std::size_t>(count));
    if (getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0) count = 0;
  }
  return {user, {groups.begin(), groups.begin() + count}};
}

}  // namespace mayfly::serve
