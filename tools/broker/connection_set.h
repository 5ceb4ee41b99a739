// The connections of a task.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include "base/descriptor.h"
#include "base/limited_log.h"
#include "core/task_table.h"

namespace mayfly::broker {

/// ConnectionSet serves each connection on a thread of its own, so that a client that sends
/// nothing, or half of something, keeps only its own connection waiting.
class ConnectionSet {
 public:
  struct Limits {
    std::size_t connections;  ///< served at once
    std::size_t sessions;     ///< PKCS#11 sessions that one connection may have open
    /// How long a client may take until it says its first byte, which p11-kit's does at once.
    std::chrono::milliseconds first_byte = std::chrono::seconds(10);
  };

  /// @param tasks  What the connections meet; outlives the set.
  /// @throws std::system_error
  ConnectionSet(TaskTable& tasks, Limits limits);
  /// shut_down() must have returned true.
  ~ConnectionSet() = default;
  ConnectionSet(const ConnectionSet&) = delete;
  ConnectionSet& operator=(const ConnectionSet&) = delete;

  /// Serves a connection, or closes it and logs why: its other side is another user's than this
  /// process's, there are too many, or no thread or memory could be had.
  void serve(Descriptor socket);

  /// Readable when reap() has something to do.
  [[nodiscard]] int finished() const noexcept { return finished_.number(); }
  /// Forgets connections that have ended.
  void reap();

  /// Hangs up on all clients and waits until nobody is served any more.
  /// @return false if some calls are not done within the timeout. It can be called again; until
  /// then
  ///         nothing that they use may be taken down.
  [[nodiscard]] bool shut_down(std::chrono::milliseconds timeout);

 private:
  struct Connection {
    Descriptor socket;
    std::thread thread;
    bool done = false;  // guarded by mutex_
  };

  void run(Connection& connection) noexcept;
  void talk(int socket);
  bool has_spoken(int socket);
  void join_finished();

  TaskTable& tasks_;
  const Limits limits_;
  log::LimitedLog log_;
  Descriptor finished_;
  std::list<Connection> connections_;  // the owner's thread alone touches the list

  std::mutex mutex_;  // guards Connection::done
  std::condition_variable one_finished_;
};

}  // namespace mayfly::broker
