// Passing descriptors over a socket.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <sys/socket.h>

#include "base/bytes.h"

namespace mayfly::test {

/// Sends bytes with descriptors. @return as sendmsg(2).
inline ssize_t send_descriptors(int socket, ByteView bytes, std::span<const int> descriptors) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(128 * sizeof(int))> control{};
  iovec piece{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
  std::copy_n(reinterpret_cast<const char*>(descriptors.data()), descriptors.size_bytes(),
              reinterpret_cast<char*>(CMSG_DATA(rights)));
  return sendmsg(socket, &message, MSG_NOSIGNAL);
}

}  // namespace mayfly::test
