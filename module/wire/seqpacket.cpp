#include "wire/seqpacket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>
#include <utility>

#include "base/secret.h"

namespace mayfly::wire {
namespace {

using Cause = WireError::Cause;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint8_t kMore = 1;  // of Header::flags: more packets of this message follow

[[noreturn]] void fail(const char* doing) {
  switch (errno) {
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
      throw WireError(Cause::hung_up, "the other side hung up");
    case EAGAIN:
      throw WireError(Cause::timed_out, std::string("the other side took too long: ") + doing);
    default:
      throw WireError(Cause::system,
                      std::string(doing) + ": " + std::generic_category().message(errno));
  }
}

/// Repeats a system call that signals interrupt; they don't make the wait any longer than twice as
/// long. With the host's signals it can happen that each wait is interrupted.
template <typename Call>
ssize_t insist(std::optional<milliseconds> patience, Call&& call) {
  std::optional<steady_clock::time_point> deadline;
  while (true) {
    const ssize_t result = call();
    if (result >= 0 || errno != EINTR) return result;
    if (!patience) continue;
    if (!deadline) deadline = steady_clock::now() + *patience;
    if (steady_clock::now() >= *deadline) {
      errno = EAGAIN;
      return -1;
    }
  }
}

using Control = std::array<std::uint8_t, CMSG_SPACE(sizeof(int))>;

/// The first descriptor of a control message; the other ones are closed.
Descriptor take_descriptor(msghdr& message) {
  Descriptor taken;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof number, sizeof number);
      Descriptor one(number);
      if (!taken) taken = std::move(one);
    }
  }
  return taken;
}

}  // namespace

void set_timeout(int socket, int option, milliseconds timeout) {
  timeval time{};
  time.tv_sec = timeout.count() / 1000;
  time.tv_usec = timeout.count() % 1000 * 1000;
  if (setsockopt(socket, SOL_SOCKET, option, &time, sizeof time) != 0) fail("setsockopt");
}

struct Seqpacket::Header {
  std::uint8_t kind;
  std::uint8_t flags;
  std::uint16_t zero;
  std::uint32_t number;

  [[nodiscard]] bool more() const noexcept { return (flags & kMore) != 0; }
};

Seqpacket::Seqpacket(Descriptor socket, Patience patience, Limits limits, Budget* budget)
    : socket_(std::move(socket)),
      patience_(patience),
      timeout_(patience.first),
      limits_(limits),
      budget_(budget),
      eager_(patience.eager),
      packet_(std::make_unique_for_overwrite<std::uint8_t[]>(kMaxPacket)) {
  static_assert(sizeof(Header) == 8);
  if (timeout_) set_timeout(socket_.number(), SO_RCVTIMEO, *timeout_);
  set_timeout(socket_.number(), SO_SNDTIMEO, patience.next);
}

void Seqpacket::send_packet(const Header& header, ByteView part, int passed) {
  // Neither is written to by sendmsg(2).
  std::array<iovec, 2> pieces{{{const_cast<Header*>(&header), sizeof header},
                               {const_cast<std::uint8_t*>(part.data()), part.size()}}};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  alignas(cmsghdr) Control control{};
  if (passed >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof passed);
    std::memcpy(CMSG_DATA(rights), &passed, sizeof passed);
  }
  const ssize_t sent =
      insist(patience_.next, [&] { return sendmsg(socket_.number(), &message, MSG_NOSIGNAL); });
  if (sent < 0) fail("sending");
}

void Seqpacket::send(const Message& message, int passed) {
  static constexpr std::size_t kMostOfBody = kMaxPacket - sizeof(Header);
  const Deadline deadline = steady_clock::now() + patience_.next;
  ByteView rest = message.body;
  do {
    if (steady_clock::now() > deadline) {
      throw WireError(Cause::timed_out, "the other side took too long to read a message");
    }
    const ByteView part = rest.first(std::min(rest.size(), kMostOfBody));
    rest = rest.subspan(part.size());
    const std::uint8_t flags = rest.empty() ? 0 : kMore;
    send_packet({message.kind, flags, 0, message.number}, part, passed);
    passed = -1;
  } while (!rest.empty());
}

void Seqpacket::receive_packet(Descriptor* passed, std::optional<milliseconds> patience,
                               bool eager) {
  iovec piece{packet_.get(), kMaxPacket};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) Control control{};
  if (passed != nullptr) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
  }
  const auto take = [&](int flags) {
    return recvmsg(socket_.number(), &message, MSG_CMSG_CLOEXEC | flags);
  };
  ssize_t size = eager ? eager_.look(take) : -1;
  if (size < 0) size = insist(patience, [&] { return take(0); });
  if (size < 0) fail("receiving");
  packet_size_ = static_cast<std::size_t>(size);
  if (passed != nullptr) *passed = take_descriptor(message);
  // No packet is empty.
  if (size == 0) throw WireError(Cause::hung_up, "the other side hung up");
  if ((message.msg_flags & MSG_TRUNC) != 0) malformed("a packet has more than 64 KiB");
}

Seqpacket::Header Seqpacket::read_header() const {
  Header header{};
  if (packet_size_ < sizeof header) malformed("a packet is shorter than its header");
  std::memcpy(&header, packet_.get(), sizeof header);
  if (header.flags > kMore || header.zero != 0) malformed("a packet has an unknown header");
  return header;
}

ByteView Seqpacket::read_part() const noexcept { return received().subspan(sizeof(Header)); }

void Seqpacket::wait_for_packet(Deadline deadline) const {
  pollfd entry{socket_.number(), POLLIN, 0};
  const ssize_t ready = insist(std::nullopt, [&] {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    return poll(&entry, 1, static_cast<int>(std::max(left, milliseconds(0)).count()));
  });
  if (ready == 0) errno = EAGAIN;
  if (ready <= 0) fail("the rest of a message");
}

/// Room for so much of a message that has `most` bytes at most.
void Seqpacket::make_room(std::size_t size, std::size_t most) {
  if (size <= collected_.capacity()) return;
  const std::size_t room = std::min(most, std::max(size, 2 * collected_.capacity()));
  Bytes larger;
  if (budget_ != nullptr && !budget_->take(room)) {
    throw WireError(Cause::system, "long messages of all clients together take too much memory");
  }
  try {
    larger.reserve(room);
  } catch (...) {
    if (budget_ != nullptr) budget_->give_back(room);
    throw;
  }
  larger.assign(collected_.begin(), collected_.end());
  forget_collected();
  collected_ = std::move(larger);
  taken_ = room;
}

void Seqpacket::forget_collected() noexcept {
  if (taken_ == 0) return;
  zeroise(collected_);
  Bytes().swap(collected_);
  if (budget_ != nullptr) budget_->give_back(std::exchange(taken_, 0));
}

void Seqpacket::collect(const Header& first, ByteView part) {
  const std::size_t most = limits_(first.kind);
  const Deadline deadline = steady_clock::now() + patience_.next;
  Header header = first;
  while (true) {
    if (part.empty()) malformed("a packet that carries nothing on");
    if (part.size() > most - collected_.size()) {
      malformed("a message has more than the " + std::to_string(most) + " bytes of its kind");
    }
    make_room(collected_.size() + part.size(), most);
    collected_.insert(collected_.end(), part.begin(), part.end());
    if (!header.more()) return;
    wait_for_packet(deadline);
    receive_packet(nullptr, patience_.next);
    header = read_header();
    if (header.kind != first.kind || header.number != first.number) {
      malformed("a message was left unfinished");
    }
    part = read_part();
  }
}

Message Seqpacket::receive(Descriptor* passed, std::optional<milliseconds> first) {
  drop();
  const std::optional<milliseconds> patience = patience_.first && first ? first : patience_.first;
  if (patience != timeout_) {  // most messages have the patience of the one before
    set_timeout(socket_.number(), SO_RCVTIMEO, *patience);
    timeout_ = patience;
  }
  receive_packet(passed, patience, true);
  const Header header = read_header();
  if (limits_(header.kind) == 0) {
    malformed("no message has the kind " + std::to_string(header.kind));
  }
  const ByteView part = read_part();
  if (!header.more() && part.size() <= limits_(header.kind)) {
    return {header.kind, header.number, part};
  }
  collect(header, part);
  return {header.kind, header.number, collected_};
}

void Seqpacket::drop() noexcept {
  zeroise(received());
  packet_size_ = 0;
  forget_collected();
}

}  // namespace mayfly::wire
