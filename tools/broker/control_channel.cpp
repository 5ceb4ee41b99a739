#include "tools/broker/control_channel.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <system_error>

#include "base/error.h"
#include "base/utf8.h"

namespace mayfly::broker {
namespace {

/// The fixed part of a message. Both ends are the same program, so its layout is agreed.
struct Header {
  std::uint64_t rv;
  std::uint64_t destroyed;
  std::uint64_t pending;
  std::int64_t process;
  std::int32_t signal;
  std::uint8_t kind;
  std::uint8_t state;
};

bool is_known(std::uint8_t kind) noexcept {
  return kind >= static_cast<std::uint8_t>(MessageKind::ready) &&
         kind <= static_cast<std::uint8_t>(MessageKind::used);
}

bool wait_at_channel(const Descriptor& socket, short events,
                     std::chrono::steady_clock::time_point deadline) noexcept {
  using std::chrono::milliseconds;
  pollfd entry{socket.number(), events, 0};
  const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
  return poll(&entry, 1, static_cast<int>(std::max(left, milliseconds(0)).count())) > 0;
}

}  // namespace

std::pair<ControlChannel, ControlChannel> ControlChannel::make_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  return {ControlChannel(Descriptor(ends[0])), ControlChannel(Descriptor(ends[1]))};
}

bool ControlChannel::send(const Message& message) noexcept {
  Header header{};
  header.rv = message.rv;
  header.destroyed = message.destroyed;
  header.pending = message.pending;
  header.process = message.process;
  header.signal = message.signal;
  header.kind = static_cast<std::uint8_t>(message.kind);
  header.state = static_cast<std::uint8_t>(message.state);
  const std::string_view text = utf8_prefix(message.text, kMaxText);
  std::array<iovec, 2> parts{
      {{&header, sizeof header}, {const_cast<char*>(text.data()), text.size()}}};
  msghdr packet{};
  packet.msg_iov = parts.data();
  packet.msg_iovlen = parts.size();
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket_.number(), &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

std::optional<Message> ControlChannel::receive() {
  std::array<char, sizeof(Header) + kMaxText> buffer;
  ssize_t size = 0;
  do {
    // MSG_TRUNC makes the call return the packet's real length.
    size = recv(socket_.number(), buffer.data(), buffer.size(), MSG_TRUNC);
  } while (size < 0 && errno == EINTR);
  if (size == 0 || (size < 0 && errno == ECONNRESET)) return std::nullopt;
  const auto length = static_cast<std::size_t>(std::max<ssize_t>(size, 0));
  Header header{};
  if (length >= sizeof header) std::memcpy(&header, buffer.data(), sizeof header);
  if (length < sizeof header || length > buffer.size() || !is_known(header.kind) ||
      header.state >= kTaskStates) {
    throw Error(CKR_GENERAL_ERROR, "what came over the control channel is no message");
  }
  Message message;
  message.kind = static_cast<MessageKind>(header.kind);
  message.rv = header.rv;
  message.state = static_cast<TaskState>(header.state);
  message.destroyed = header.destroyed;
  message.pending = header.pending;
  message.process = header.process;
  message.signal = header.signal;
  message.text.assign(buffer.data() + sizeof header, length - sizeof header);
  return message;
}

bool ControlChannel::send_by(std::chrono::steady_clock::time_point deadline,
                             const Message& message) noexcept {
  while (!send(message)) {
    if (errno != EAGAIN || !wait_at_channel(socket_, POLLOUT, deadline)) return false;
  }
  return true;
}

bool ControlChannel::wait(std::chrono::steady_clock::time_point deadline) const noexcept {
  return wait_at_channel(socket_, POLLIN, deadline);
}

}  // namespace mayfly::broker
