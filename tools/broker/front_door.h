// What a connection meets first.
#pragma once

#include <chrono>
#include <string>
#include <sys/socket.h>

namespace mayfly::broker {

/// In which a client that signs again and again is back with its next request.
inline constexpr std::chrono::microseconds kEagerForRequest{30};

/// FrontDoor models one way in which clients speak to the worker. Connections call it from threads
/// of their own.
class FrontDoor {
 public:
  virtual ~FrontDoor() = default;
  FrontDoor() = default;
  FrontDoor(const FrontDoor&) = delete;
  FrontDoor& operator=(const FrontDoor&) = delete;

  /// Serves a connection until the client hangs up, the socket is shut down, or what comes over it
  /// makes no sense. Everything that the client left open is cleaned up then. The socket stays the
  /// caller's.
  /// @param peer  Who is at the other side.
  /// @return empty when the client hung up, else what was wrong.
  /// @throws std::exception
  [[nodiscard]] virtual std::string serve(int socket, const ucred& peer) = 0;

  /// Whether a connection ends with the process that made it, whoever else holds its descriptor.
  [[nodiscard]] virtual bool ends_with_peer() const noexcept = 0;
};

}  // namespace mayfly::broker
