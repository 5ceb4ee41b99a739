// The sockets at which tasks below a worker's task are served.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/descriptor.h"
#include "base/limited_log.h"
#include "tools/broker/front_door.h"

namespace mayfly::broker {

/// ChildDoors accepts connections at sockets that agents pass. An agent shares such a socket and
/// can make an accept hang: so that is done in a thread of its own, in which nobody else waits, and
/// which starts with the first door.
class ChildDoors {
 public:
  /// Names a door; 0 is none.
  using Name = std::uint64_t;

  struct Accepted {
    Descriptor socket;
    std::shared_ptr<FrontDoor> door;
  };

  /// @throws std::system_error
  ChildDoors();
  ~ChildDoors() { close(); }
  ChildDoors(const ChildDoors&) = delete;
  ChildDoors& operator=(const ChildDoors&) = delete;

  // From any thread ------------------------------------------------------------------------------

  /// @param type       SOCK_STREAM or SOCK_SEQPACKET: what the socket must be.
  /// @param door       What its connections meet; not held.
  /// @throws Error CKR_ARGUMENTS_BAD for anything but a local socket of that type that listens;
  ///         CKR_FUNCTION_FAILED when there is nothing to serve it with, or all is over.
  [[nodiscard]] Name add(Descriptor listening, int type, std::weak_ptr<FrontDoor> door);
  void remove(Name door) noexcept;
  /// No connection is accepted any more, ever.
  void close() noexcept;

  // From one thread ------------------------------------------------------------------------------

  /// Readable when take() has something.
  [[nodiscard]] int descriptor() const noexcept { return news_.number(); }
  /// The connections that came.
  [[nodiscard]] std::vector<Accepted> take();

 private:
  struct Door {
    Descriptor listening;
    std::weak_ptr<FrontDoor> front;
  };

  void accept_all() noexcept;
  void accept_one(Name name);
  void forget(std::map<Name, std::shared_ptr<Door>>::iterator door) noexcept;

  const Descriptor events_;  // an epoll of the listening sockets, and of wake_
  const Descriptor wake_;    // eventfds
  const Descriptor news_;
  log::LimitedLog log_;

  std::mutex mutex_;  // guards what follows; no accept is made with it held
  bool closed_ = false;
  Name last_ = 0;
  std::map<Name, std::shared_ptr<Door>> doors_;
  std::vector<Accepted> accepted_;
  std::thread thread_;
};

}  // namespace mayfly::broker
