// A client of a task's own door that can say whatever it likes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "wire/protocol.h"

namespace mayfly::test {

/// What a request was answered.
struct WireAnswer {
  std::uint8_t kind = 0;
  std::uint32_t number = 0;
  CK_RV rv = CKR_OK;
  std::string text;  ///< if rv is not CKR_OK
  Bytes body;        ///< else what follows
};

/// HostileAgent models a connection by somebody who knows the protocol of libmayfly.so, and need
/// not keep to it.
class HostileAgent {
 public:
  /// Connects; says nothing.
  explicit HostileAgent(const std::filesystem::path& door);

  [[nodiscard]] bool connected() const noexcept { return connected_; }
  [[nodiscard]] int socket() const noexcept { return socket_.number(); }
  void close() noexcept { socket_.reset(); }

  /// Sends one packet as it is. False if the other side is gone.
  bool send(ByteView packet) const;
  /// Sends it if there is room now. False if not.
  [[nodiscard]] bool send_if_it_fits(ByteView packet) const;
  /// A packet: its header, and a part of a body.
  [[nodiscard]] static Bytes packet(std::uint8_t kind, ByteView part, bool more = false,
                                    std::uint32_t number = 7);
  /// A request as it should be, if it has room in one packet.
  template <typename Request>
  [[nodiscard]] static Bytes packet(wire::Kind kind, const Request& request) {
    return packet(static_cast<std::uint8_t>(kind), body_of(request));
  }

  /// The next answer; nothing if the other side hung up instead.
  std::optional<WireAnswer> receive();
  template <typename Request>
  std::optional<WireAnswer> call(wire::Kind kind, const Request& request) {
    if (!send(kind, body_of(request))) return std::nullopt;
    return receive();
  }
  /// As call(), for what must succeed. @throws std::runtime_error
  template <typename Answer, typename Request>
  Answer get(wire::Kind kind, const Request& request) {
    last_ = require_ok(kind, call(kind, request));
    wire::Reader reader(last_.body);
    return Answer::read(reader);
  }
  /// Waits until the other side has hung up. False if it did not in time.
  [[nodiscard]] bool is_hung_up() const;

  /// Says HELLO. The change page that came with the answer, if one did, is page().
  wire::HelloAnswer greet(ByteView join = {});
  [[nodiscard]] const Descriptor& page() const noexcept { return page_; }

  /// Greets and opens a session. @return its handle.
  std::uint64_t open_session();
  /// Makes a P-256 key pair in the session of open_session(). @return its private key's handle.
  std::uint64_t generate(bool for_task = false);
  /// Signs with the last key. False if that fails.
  [[nodiscard]] bool sign();
  [[nodiscard]] wire::SignRequest sign_request() const;

  /// What a request for a certificate holds.
  static wire::AttributeList certificate(std::string_view label);

 private:
  template <typename Request>
  static Bytes body_of(const Request& request) {
    Bytes body;
    wire::Writer writer(body);
    request.write(writer);
    return body;
  }
  /// Sends a request in as many packets as it takes.
  bool send(wire::Kind kind, ByteView body) const;
  static WireAnswer require_ok(wire::Kind kind, std::optional<WireAnswer> answer);

  Descriptor socket_;
  bool connected_ = false;
  Descriptor page_;
  WireAnswer last_;
  std::uint64_t session_ = 0;
  std::uint64_t key_ = 0;
};

}  // namespace mayfly::test
