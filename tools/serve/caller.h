// Who is at the other side of a socket, and what he may do.
#pragma once

#include <optional>
#include <string>
#include <sys/types.h>

#include "base/peer.h"
#include "config/config.h"

namespace mayfly::serve {

/// A process that connected, as the kernel noted it then.
struct Caller {
  Peer peer;
  pid_t process = 0;

  /// For records: "user 1000".
  [[nodiscard]] std::string name() const { return "user " + std::to_string(peer.user); }
};

/// Who connected to a socket of this machine; nothing if the kernel does not say.
[[nodiscard]] std::optional<Caller> caller_at(int socket);

/// Whether somebody may see, end and revoke all tasks, and open some for others.
[[nodiscard]] bool is_operator(const ServeConfig& config, const Peer& peer) noexcept;

/// Whether somebody may open tasks, as far as a policy lets him.
[[nodiscard]] bool may_open(const ServeConfig& config, const Peer& peer) noexcept;

/// A user of this machine with its groups.
/// @throws Error CKR_ARGUMENTS_BAD for one that there is not.
[[nodiscard]] Peer peer_of_user(uid_t user);

}  // namespace mayfly::serve
