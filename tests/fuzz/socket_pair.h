// Two sockets that lead to each other.
#pragma once

#include <sys/socket.h>
#include <utility>

#include "base/descriptor.h"
#include "fuzz/finding.h"

namespace mayfly::test {

/// @param type  SOCK_STREAM or SOCK_SEQPACKET.
inline std::pair<Descriptor, Descriptor> socket_pair(int type) {
  int ends[2];
  require(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0, "there are sockets");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

}  // namespace mayfly::test
