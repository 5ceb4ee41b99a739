// What the supervisor and its worker, and the supervisor and its guardian, say to each other.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/descriptor.h"
#include "base/pkcs11.h"
#include "base/task_state.h"

namespace mayfly::broker {

enum class MessageKind : std::uint8_t {
  ready = 1,      ///< worker: the task is open and the socket is served
  failed = 2,     ///< worker: it could not start; rv and text say why
  expired = 3,    ///< worker: the deadline has come; pending says what the device still owes
  end = 4,        ///< supervisor: end the task; state says as what
  ended = 5,      ///< worker: the task has ended; pending says what the device still owes
  started = 6,    ///< supervisor, to its guardian: a worker was started, process says which
  done = 7,       ///< supervisor, to its guardian: the run has come to its end
  signal = 8,     ///< guardian, to its supervisor: it was sent a signal, `signal` says which
  exhausted = 9,  ///< worker: the last signature that the policy allows was made; pending as above
  grant_refused = 10,  ///< worker: it could not start, since the grant does not hold; as `failed`
  /// worker of `mayfly serve`: a task has made its first key or has ended; text is its serial
  /// number and behind that the ledger's public key in hexadecimal, if it has one; state, destroyed
  /// and pending say the rest
  moved = 11,
  revoked = 12,  ///< worker: somebody has ended the task through the registry; pending as above
  /// worker of `mayfly serve`: a key was made in its task; text is the public key as a JWK
  key_made = 13,
  key_destroyed = 14,  ///< the same: it was destroyed; text is the JWK's thumbprint
  used = 15,           ///< the same: how much its task was used so far; text as use_report.h says
};

/// One message. What its kind does not mention is zero or empty.
struct Message {
  MessageKind kind = MessageKind::ready;
  CK_RV rv = CKR_OK;
  TaskState state = TaskState::open;
  std::uint64_t destroyed = 0;  ///< keys
  std::uint64_t pending = 0;    ///< keys whose destruction the device has not confirmed
  std::int64_t process = 0;
  std::int32_t signal = 0;
  std::string text;  ///< one sentence for people; cut at ControlChannel::kMaxText bytes
};

/// ControlChannel is one end of the socket pair between two of mayfly's processes. Messages keep
/// their boundaries; sending never blocks and never raises SIGPIPE.
class ControlChannel {
 public:
  static constexpr std::size_t kMaxText = 2048;

  ControlChannel() noexcept = default;
  explicit ControlChannel(Descriptor socket) noexcept : socket_(std::move(socket)) {}

  /// Two connected ends, both close-on-exec.
  /// @throws std::system_error
  [[nodiscard]] static std::pair<ControlChannel, ControlChannel> make_pair();

  [[nodiscard]] int descriptor() const noexcept { return socket_.number(); }
  void close() noexcept { socket_.reset(); }

  /// False if the other side is gone, or does not read.
  bool send(const Message& message) noexcept;
  /// The same, but waits for room as long as the other side does not read.
  bool send_by(std::chrono::steady_clock::time_point deadline, const Message& message) noexcept;

  /// The next message, waiting for it; nothing if the other side is gone.
  /// @throws Error CKR_GENERAL_ERROR for bytes that are no message.
  [[nodiscard]] std::optional<Message> receive();

  /// Waits until receive() does not block. False if that was not so before the deadline.
  [[nodiscard]] bool wait(std::chrono::steady_clock::time_point deadline) const noexcept;

 private:
  Descriptor socket_;
};

}  // namespace mayfly::broker
