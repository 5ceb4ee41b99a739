// Who asks: users and groups of the operating system.
#pragma once

#include <set>
#include <sys/types.h>

namespace mayfly {

/// A user with the groups that it is in.
struct Peer {
  uid_t user = 0;
  std::set<gid_t> groups;

  /// Whom this process acts for, by its effective user and groups.
  /// @throws std::system_error
  [[nodiscard]] static Peer self();
};

/// PeerRule admits whoever is one of its users or in one of its groups: nobody if it names none.
struct PeerRule {
  std::set<uid_t> users;
  std::set<gid_t> groups;

  [[nodiscard]] bool admits(const Peer& peer) const noexcept;
  friend auto operator<=>(const PeerRule&, const PeerRule&) = default;
};

}  // namespace mayfly
