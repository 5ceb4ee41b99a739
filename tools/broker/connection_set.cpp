#include "tools/broker/connection_set.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

#include "base/safeguard.h"
#include "tools/broker/event_descriptor.h"

namespace mayfly::broker {
namespace {

/// Who is at the other side of a socket, as the kernel noted it at connect(2).
std::optional<ucred> peer_of(int socket) noexcept {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer;
}

#ifdef SO_PEERPIDFD
constexpr int kPeerPidfd = SO_PEERPIDFD;
#else
constexpr int kPeerPidfd = 77;  // Linux 6.5
#endif

/// A pidfd of the process that made a connection; none if it can't be seen from here: it is in
/// another PID namespace, and the kernel older than Linux 6.5.
/// @throws std::system_error also if the process is gone.
Descriptor open_peer(int socket, const ucred& peer) {
  int number = -1;
  socklen_t size = sizeof number;
  if (getsockopt(socket, SOL_SOCKET, kPeerPidfd, &number, &size) == 0) return Descriptor(number);
  if (errno != ENOPROTOOPT) throw std::system_error(errno, std::generic_category(), "SO_PEERPIDFD");
  if (peer.pid <= 0) return {};
  Descriptor result(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0)));
  if (!result) throw std::system_error(errno, std::generic_category(), "pidfd_open");
  return result;
}

/// Whether the other side is gone: clients that die are nothing to warn of.
bool is_hung_up(int socket) noexcept {
  pollfd entry{socket, 0, 0};
  return poll(&entry, 1, 0) > 0 && (entry.revents & POLLHUP) != 0;
}

}  // namespace

ConnectionSet::ConnectionSet(Limits limits)
    : limits_(limits), finished_(make_event()), peers_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!peers_) throw std::system_error(errno, std::generic_category(), "epoll");
}

void ConnectionSet::serve(Descriptor socket, std::shared_ptr<FrontDoor> door) {
  reap();
  const std::optional<ucred> peer = peer_of(socket.number());
  if (!peer || (peer->uid != limits_.user && kept(Safeguard::peer_user))) {
    log_.warn([&] {
      return "refused a connection" +
             (peer ? " of user " + std::to_string(peer->uid) + ", process " +
                         std::to_string(peer->pid)
                   : std::string(" of an unknown user")) +
             ": only user " + std::to_string(limits_.user) + ", whose task this is, may connect";
    });
    return;
  }
  if (connections_.size() >= limits_.connections) {
    log_.warn([&] {
      return "refused a connection of process " + std::to_string(peer->pid) + ": " +
             std::to_string(limits_.connections) + " are open; see limits.connections";
    });
    return;
  }
  try {
    std::list<Connection> fresh(1);
    Connection& connection = fresh.front();
    connection.socket = std::move(socket);
    connection.door = std::move(door);
    if (connection.door->ends_with_peer()) watch(connection, *peer);
    connection.thread = std::thread([this, &connection, who = *peer] { run(connection, who); });
    connections_.splice(connections_.end(), fresh);
  } catch (const std::exception& error) {
    log_.warn([&] {
      return "refused a connection, there is nothing to serve it with: " +
             std::string(error.what());
    });
  }
}

void ConnectionSet::watch(Connection& connection, const ucred& peer) const {
  connection.peer = open_peer(connection.socket.number(), peer);
  if (!connection.peer) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &connection;
  if (epoll_ctl(peers_.number(), EPOLL_CTL_ADD, connection.peer.number(), &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

void ConnectionSet::hang_up_on_dead() {
  std::array<epoll_event, 16> events{};
  const int count = epoll_wait(peers_.number(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    auto& connection = *static_cast<Connection*>(events.at(static_cast<std::size_t>(i)).data.ptr);
    ::shutdown(connection.socket.number(), SHUT_RDWR);
    connection.peer.reset();
  }
}

void ConnectionSet::run(Connection& connection, const ucred& peer) noexcept {
  try {
    talk(connection.socket.number(), *connection.door, peer);
  } catch (const std::exception& error) {
    log_.warn([&] { return "a connection was ended by a fault: " + std::string(error.what()); });
  }
  {
    // Notified with the lock held: once it is free, the set may be gone.
    const std::scoped_lock lock(mutex_);
    connection.done = true;
    one_finished_.notify_all();
    eventfd_write(finished_.number(), 1);
  }
}

void ConnectionSet::talk(int socket, FrontDoor& door, const ucred& peer) {
  if (!has_spoken(socket)) return;
  const std::string problem = door.serve(socket, peer);
  if (!problem.empty() && !is_hung_up(socket)) {
    log_.warn([&] { return "a connection was ended: " + problem; });
  }
}

bool ConnectionSet::has_spoken(int socket) {
  pollfd entry{socket, POLLIN, 0};
  if (poll(&entry, 1, static_cast<int>(limits_.first_byte.count())) <= 0) {
    log_.warn([&] {
      return "hung up on a client that said nothing for " +
             std::to_string(limits_.first_byte.count()) + " ms";
    });
    return false;
  }
  char first = 0;
  return recv(socket, &first, 1, MSG_PEEK) == 1;
}

void ConnectionSet::reap() {
  eventfd_t count = 0;
  eventfd_read(finished_.number(), &count);
  join_finished();
}

void ConnectionSet::join_finished() {
  std::list<Connection> finished;
  {
    const std::scoped_lock lock(mutex_);
    for (auto entry = connections_.begin(); entry != connections_.end();) {
      const auto connection = entry++;
      if (connection->done) finished.splice(finished.end(), connections_, connection);
    }
  }
  for (Connection& connection : finished) connection.thread.join();
}

bool ConnectionSet::shut_down(std::chrono::milliseconds timeout) {
  for (const Connection& connection : connections_) {
    ::shutdown(connection.socket.number(), SHUT_RDWR);
  }
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  {
    std::unique_lock lock(mutex_);
    one_finished_.wait_until(lock, deadline, [this] {
      return std::ranges::all_of(connections_, [](const auto& entry) { return entry.done; });
    });
  }
  join_finished();
  return connections_.empty();
}

}  // namespace mayfly::broker
