// Messages over a SOCK_SEQPACKET socket.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/eager_wait.h"
#include "wire/wire_error.h"

namespace mayfly::wire {

/// The most bytes of one packet, its header included.
inline constexpr std::size_t kMaxPacket = std::size_t{64} * 1024;

/// One message, of either side. What does not fit into one packet came in several.
struct Message {
  std::uint8_t kind = 0;
  std::uint32_t number = 0;  ///< an answer has that of its request
  ByteView body;             ///< good until the next receive() or drop()
};

/// Bounds how long a socket's calls may wait.
/// @param option  SO_RCVTIMEO, or SO_SNDTIMEO, which connect(2) heeds as well.
/// @throws WireError (system)
void set_timeout(int socket, int option, std::chrono::milliseconds timeout);

/// Budget bounds the memory of all messages in several packets that many ends collect together.
class Budget {
 public:
  explicit Budget(std::size_t bytes) noexcept : left_(bytes) {}
  /// False if so much is not there; nothing was taken then.
  [[nodiscard]] bool take(std::size_t bytes) noexcept {
    std::size_t left = left_.load();
    while (left >= bytes) {
      if (left_.compare_exchange_weak(left, left - bytes)) return true;
    }
    return false;
  }
  void give_back(std::size_t bytes) noexcept { left_ += bytes; }

 private:
  std::atomic<std::size_t> left_;
};

/// Seqpacket models one end of a connection. It sends and receives whole messages; nothing that it
/// does waits for longer than it was told. After a WireError the connection is of no use any more.
///
/// One thread at a time. Descriptors that the other side passes are taken only where they were
/// asked for; else the kernel closes them.
class Seqpacket {
 public:
  /// How much a message of a kind may have in its body; 0 for kinds that are none.
  using Limits = std::size_t (*)(std::uint8_t kind) noexcept;

  struct Patience {
    /// How long to wait for the first packet of a message; nothing for as long as it takes.
    std::optional<std::chrono::milliseconds> first;
    /// How long the further packets of a message may take together, and those that are sent.
    std::chrono::milliseconds next;
    /// How long to look for the first packet before going to sleep for it (EagerWait).
    std::chrono::microseconds eager{0};
  };

  /// @param socket  Connected, blocking.
  /// @param budget  What messages in several packets take their memory from; outlives the end. Null
  ///                for as much as the limits let in.
  /// @throws WireError (system)
  Seqpacket(Descriptor socket, Patience patience, Limits limits, Budget* budget = nullptr);
  ~Seqpacket() { drop(); }
  Seqpacket(const Seqpacket&) = delete;
  Seqpacket& operator=(const Seqpacket&) = delete;

  [[nodiscard]] int descriptor() const noexcept { return socket_.number(); }
  /// From the next message on.
  void set_limits(Limits limits) noexcept { limits_ = limits; }
  /// Closes the socket and does nothing else: for a forked child.
  void close() noexcept { socket_.reset(); }

  /// Sends one message.
  /// @param passed  A descriptor that goes with it; -1 for none.
  /// @throws WireError (hung_up, timed_out, system)
  void send(const Message& message, int passed = -1);

  /// Receives one message.
  /// @param passed  Receives a descriptor that came with its first packet; null takes none.
  /// @param first   For this message in place of Patience::first, where it has one.
  /// @throws WireError, std::bad_alloc
  [[nodiscard]] Message receive(Descriptor* passed = nullptr,
                                std::optional<std::chrono::milliseconds> first = std::nullopt);

  /// Zeroises the last message: it may have been a PIN.
  void drop() noexcept;

 private:
  struct Header;
  using Deadline = std::chrono::steady_clock::time_point;

  [[nodiscard]] ByteSpan received() const noexcept { return {packet_.get(), packet_size_}; }
  void send_packet(const Header& header, ByteView part, int passed);
  void receive_packet(Descriptor* passed, std::optional<std::chrono::milliseconds> patience,
                      bool eager = false);
  void wait_for_packet(Deadline deadline) const;
  Header read_header() const;
  [[nodiscard]] ByteView read_part() const noexcept;
  void make_room(std::size_t size, std::size_t most);
  void forget_collected() noexcept;
  void collect(const Header& first, ByteView part);

  Descriptor socket_;
  const Patience patience_;
  std::optional<std::chrono::milliseconds> timeout_;  // what the socket's SO_RCVTIMEO is
  Limits limits_;
  Budget* const budget_;
  EagerWait eager_;
  // Not initialised: what no packet ever filled takes no memory.
  const std::unique_ptr<std::uint8_t[]> packet_;
  std::size_t packet_size_ = 0;
  Bytes collected_;        // of messages that came in several packets
  std::size_t taken_ = 0;  // for it, from the budget
};

}  // namespace mayfly::wire
