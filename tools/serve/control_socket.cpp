#include "tools/serve/control_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <utility>

#include "tools/serve/control_request.h"

namespace mayfly::serve {
namespace {

constexpr std::chrono::milliseconds kNoRoomPause{100};  // when no descriptor is left

}  // namespace

ControlSocket::ControlSocket(EventLoop& loop, Descriptor listening, IsOperator is_operator,
                             Handler handler, Limits limits)
    : loop_(loop),
      listening_(std::move(listening)),
      is_operator_(std::move(is_operator)),
      handler_(std::move(handler)),
      limits_(limits),
      watch_(loop_.watch(listening_.number(), [this] { accept_one(); })) {}

void ControlSocket::accept_one() {
  Descriptor socket(accept4(listening_.number(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) {
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
    log_.warn([] { return std::string("no descriptor is left for a control connection"); });
    watch_.stop();
    pause_ = loop_.after(kNoRoomPause, [this] {
      watch_ = loop_.watch(listening_.number(), [this] { accept_one(); });
    });
    return;
  }
  const std::optional<Caller> caller = caller_at(socket.number());
  if (!caller) return;
  const bool is_operators = is_operator_(caller->peer);
  if (!has_room_for(*caller, is_operators)) return;
  const std::uint64_t number = ++count_;
  connections_[number] = {std::move(socket), *caller, is_operators, {}, {}};
  listen_to(number);
}

bool ControlSocket::has_room_for(const Caller& caller, bool is_operators) {
  const auto of_user = std::ranges::count_if(connections_, [&](const auto& entry) {
    return entry.second.caller.peer.user == caller.peer.user;
  });
  const std::size_t most = limits_.connections + (is_operators ? limits_.for_operators : 0);
  if (connections_.size() < most &&
      (is_operators || static_cast<std::size_t>(of_user) < limits_.each_user)) {
    return true;
  }
  log_.warn([&] {
    return "refused a control connection of " + caller.name() + ", process " +
           std::to_string(caller.process) + ": too many are open";
  });
  return false;
}

void ControlSocket::listen_to(std::uint64_t number) {
  Connection& connection = connections_.at(number);
  connection.silence =
      loop_.after(limits_.silence, [this, number] { hang_up(number, "it said nothing for long"); });
  connection.watch = loop_.watch(connection.socket.number(), [this, number] { receive(number); });
}

void ControlSocket::receive(std::uint64_t number) {
  Connection& connection = connections_.at(number);
  std::array<char, kMostRequest> room;
  // MSG_TRUNC makes the call return the packet's real length.
  const ssize_t size =
      recv(connection.socket.number(), room.data(), room.size(), MSG_TRUNC | MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return hang_up(number, "");
  if (static_cast<std::size_t>(size) > room.size()) {
    return hang_up(number, "what it sent is too long for a request");
  }
  // One request at a time: what else it sends waits for the answer.
  connection.watch.stop();
  connection.silence.stop();
  const Caller caller = connection.caller;
  handler_(caller, {room.data(), static_cast<std::size_t>(size)},
           [this, number](const std::string& text) { answer(number, text); });
  explicit_bzero(room.data(), static_cast<std::size_t>(size));  // a grant may be in it
}

void ControlSocket::answer(std::uint64_t number, const std::string& text) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  const ssize_t sent =
      send(found->second.socket.number(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent != static_cast<ssize_t>(text.size())) {
    return hang_up(number, errno == EPIPE ? "" : "it does not read its answers");
  }
  listen_to(number);
}

void ControlSocket::hang_up(std::uint64_t number, const std::string& why) {
  const auto connection = connections_.extract(number);
  if (connection.empty() || why.empty()) return;
  log_.warn([&] {
    const Caller& caller = connection.mapped().caller;
    return "hung up on a control connection of " + caller.name() + ", process " +
           std::to_string(caller.process) + ": " + why;
  });
}

}  // namespace mayfly::serve
