// A client of a task's socket that can say whatever it likes.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "tools/broker/rpc_message.h"

namespace mayfly::test {

/// The numbers of calls in p11-kit's protocol that tests make.
enum class RpcCallNumber : std::uint32_t {
  initialize = 1,
  finalize = 2,
  get_slot_list = 4,
  open_session = 10,
  login = 18,
  create_object = 20,
  copy_object = 21,
  get_attribute_value = 24,
  set_attribute_value = 25,
  find_objects_init = 26,
  find_objects = 27,
  sign_init = 42,
  sign = 43,
  generate_key_pair = 59,
  seed_random = 63,
  generate_random = 64,
};

/// What a call was answered.
struct RpcAnswer {
  CK_RV rv = CKR_OK;
  Bytes values;  ///< what follows, if rv is CKR_OK
};

/// HostileClient models a connection by somebody who knows p11-kit's protocol, and need not keep to
/// it.
class HostileClient {
 public:
  using Fill = std::function<void(broker::RpcWriter&)>;

  /// Connects; says nothing.
  explicit HostileClient(const std::filesystem::path& socket);

  [[nodiscard]] bool connected() const noexcept { return connected_; }
  [[nodiscard]] int socket() const noexcept { return socket_.number(); }
  void close() noexcept { socket_.reset(); }

  /// Sends bytes. False if the other side is gone.
  bool send(ByteView bytes) const;
  bool send(const std::string& bytes) const { return send(as_bytes(bytes)); }
  /// Sends as much as the socket takes now. @return how much that was.
  [[nodiscard]] std::size_t send_what_fits(ByteView bytes) const;
  /// Waits until the other side has hung up. False if it did not in time.
  [[nodiscard]] bool is_hung_up() const;

  /// A message as it should be.
  [[nodiscard]] static Bytes message(RpcCallNumber call, const std::string& pieces,
                                     const Fill& fill);
  /// The answer to a message; nothing if the other side hung up instead.
  [[nodiscard]] std::optional<RpcAnswer> receive() const;
  std::optional<RpcAnswer> call(RpcCallNumber call, const std::string& pieces, const Fill& fill);

  /// Says the version, and hears it.
  void greet() const;
  /// Greets and calls C_Initialize.
  void initialize();
  /// Initializes and opens a session on the first slot. @return its handle.
  CK_SESSION_HANDLE open_session();
  /// Makes a P-256 session key in the session of open_session().
  void generate();
  /// Signs with that key. False if that fails.
  [[nodiscard]] bool sign();

  [[nodiscard]] CK_SLOT_ID slot() const noexcept { return slot_; }

 private:
  Descriptor socket_;
  bool connected_ = false;
  CK_SLOT_ID slot_ = 0;
  CK_SESSION_HANDLE session_ = 0;
  CK_OBJECT_HANDLE key_ = 0;
};

}  // namespace mayfly::test
