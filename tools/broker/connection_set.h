// The connections of a task.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <sys/types.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/descriptor.h"
#include "base/limited_log.h"
#include "tools/broker/front_door.h"

namespace mayfly::broker {

/// ConnectionSet serves each connection on a thread of its own, so that a client that sends
/// nothing, or half of something, keeps only its own connection waiting.
class ConnectionSet {
 public:
  struct Limits {
    std::size_t connections;  ///< served at once
    uid_t user = geteuid();   ///< whose processes may connect
    /// How long a client may take until it says its first byte, which those that we know do at
    /// once.
    std::chrono::milliseconds first_byte = std::chrono::seconds(10);
  };

  /// @throws std::system_error
  explicit ConnectionSet(Limits limits);
  /// shut_down() must have returned true.
  ~ConnectionSet() = default;
  ConnectionSet(const ConnectionSet&) = delete;
  ConnectionSet& operator=(const ConnectionSet&) = delete;

  /// Serves a connection, or closes it and logs why: its other side is another user's than
  /// whom the task is for, there are too many, or no thread or memory could be had.
  /// @param door  Held until the connection has ended.
  void serve(Descriptor socket, std::shared_ptr<FrontDoor> door);
  /// The same at a door that outlives the set.
  void serve(Descriptor socket, FrontDoor& door) {
    serve(std::move(socket), std::shared_ptr<FrontDoor>(std::shared_ptr<void>(), &door));
  }

  /// Readable when reap() has something to do.
  [[nodiscard]] int finished() const noexcept { return finished_.number(); }
  /// Forgets connections that have ended.
  void reap();

  /// Readable when hang_up_on_dead() has something to do.
  [[nodiscard]] int dead_peers() const noexcept { return peers_.number(); }
  /// Hangs up where the process that made a connection is gone, at doors that want it so: a child
  /// of it may hold the descriptor still.
  void hang_up_on_dead();

  /// Hangs up on all clients and waits until nobody is served any more.
  /// @return false if some calls are not done within the timeout. It can be called again; until
  /// then
  ///         nothing that they use may be taken down.
  [[nodiscard]] bool shut_down(std::chrono::milliseconds timeout);

 private:
  struct Connection {
    Descriptor socket;
    Descriptor peer;  // a pidfd, if it is watched
    std::shared_ptr<FrontDoor> door;
    std::thread thread;
    bool done = false;  // guarded by mutex_
  };

  void watch(Connection& connection, const ucred& peer) const;
  void run(Connection& connection, const ucred& peer) noexcept;
  void talk(int socket, FrontDoor& door, const ucred& peer);
  bool has_spoken(int socket);
  void join_finished();

  const Limits limits_;
  log::LimitedLog log_;
  Descriptor finished_;
  Descriptor peers_;
  std::list<Connection> connections_;  // the owner's thread alone touches the list

  std::mutex mutex_;  // guards Connection::done
  std::condition_variable one_finished_;
};

}  // namespace mayfly::broker
