// The client's end of a p11-kit connection, as hostile as an input makes it.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/pkcs11.h"

namespace mayfly::test {

/// RemoteClient speaks p11-kit's remoting over a socket: a byte of greeting, then messages of 12
/// bytes of header and a body.
///
/// Handles differ from run to run, so that an input can't hold them. In their place stand eight
/// bytes that mean "the n-th slot, session or object that the server has told of".
class RemoteClient {
 public:
  /// @param ended  A descriptor that is readable once the server does not serve any more: it closes
  ///               the socket later.
  RemoteClient(int socket, int ended) noexcept : socket_(socket), ended_(ended) {}

  /// Sends the bytes as they are, and hangs up in one direction. What comes back is read and
  /// dropped.
  void send_raw(ByteView bytes);

  /// The greeting. False if the server hung up.
  [[nodiscard]] bool greet();
  /// Sends one message and waits for the answer. False if the server hung up.
  [[nodiscard]] bool call(ByteView body);

 private:
  [[nodiscard]] bool send_all(ByteView bytes) const;
  [[nodiscard]] std::optional<Bytes> receive(std::size_t size) const;
  /// What there is to read, once there is something; 0 when there will be nothing more.
  std::size_t receive_some(ByteSpan room) const;
  [[nodiscard]] Bytes with_handles(ByteView body) const;
  void learn(ByteView answer);

  int socket_;
  int ended_;
  std::uint32_t serial_ = 0x10;
  std::vector<std::uint64_t> handles_;
};

}  // namespace mayfly::test
