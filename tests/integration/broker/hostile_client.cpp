#include "integration/broker/hostile_client.h"

#include <array>
#include <cerrno>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>

#include "integration/broker/broker_home.h"

namespace mayfly::test {
namespace {

using broker::RpcReader;
using broker::RpcWriter;

constexpr std::array<std::uint8_t, 10> kP256 = {0x06, 0x08, 0x2a, 0x86, 0x48,
                                                0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::uint32_t kNull = 0xffffffff;

/// Reads so many bytes. False if the other side hung up before.
bool receive_all(int socket, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t size = recv(socket, bytes.data(), bytes.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
  return true;
}

CK_ULONG first_number(const std::optional<RpcAnswer>& answer, const char* call,
                      std::size_t skip = 0) {
  if (!answer || answer->rv != CKR_OK) throw std::runtime_error(call);
  Bytes values = answer->values;
  RpcReader reader(values);
  static_cast<void>(reader.raw(skip));
  return reader.ulong();
}

}  // namespace

HostileClient::HostileClient(const std::filesystem::path& socket)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket.string().copy(address.sun_path, sizeof address.sun_path - 1);
  // An answer that never comes fails the test, instead of its whole binary.
  const timeval patience{60, 0};
  setsockopt(socket_.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  connected_ =
      connect(socket_.number(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

bool HostileClient::send(ByteView bytes) const {
  while (!bytes.empty()) {
    const ssize_t size = ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
  return true;
}

std::size_t HostileClient::send_what_fits(ByteView bytes) const {
  const ssize_t size =
      ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return size < 0 ? 0 : static_cast<std::size_t>(size);
}

bool HostileClient::is_hung_up() const {
  return eventually([this] {
    char byte = 0;
    const ssize_t size = recv(socket_.number(), &byte, 1, MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno == ECONNRESET);
  });
}

Bytes HostileClient::message(RpcCallNumber call, const std::string& pieces, const Fill& fill) {
  Bytes bytes;
  RpcWriter writer(bytes);
  writer.u32(1);
  writer.u32(0);
  writer.u32(0);
  const std::size_t start = writer.size();
  writer.u32(static_cast<std::uint32_t>(call));
  writer.string(as_bytes(pieces));
  fill(writer);
  writer.set_u32(8, static_cast<std::uint32_t>(writer.size() - start));
  return bytes;
}

std::optional<RpcAnswer> HostileClient::receive() const {
  std::array<std::uint8_t, 12> header{};
  if (!receive_all(socket_.number(), header)) return std::nullopt;
  RpcReader lengths(header);
  static_cast<void>(lengths.u32());
  static_cast<void>(lengths.u32());
  Bytes body(lengths.u32());
  if (!receive_all(socket_.number(), body)) return std::nullopt;
  RpcReader reader(body);
  const std::uint32_t number = reader.u32();
  const std::size_t pieces = reader.string().size;
  RpcAnswer answer;
  if (number == 0) {
    answer.rv = reader.ulong();
  } else {
    answer.values.assign(body.begin() + static_cast<std::ptrdiff_t>(8 + pieces), body.end());
  }
  return answer;
}

std::optional<RpcAnswer> HostileClient::call(RpcCallNumber call, const std::string& pieces,
                                             const Fill& fill) {
  if (!send(message(call, pieces, fill))) return std::nullopt;
  return receive();
}

void HostileClient::greet() const {
  std::array<std::uint8_t, 1> version{};
  if (!send(version) || !receive_all(socket_.number(), version)) {
    throw std::runtime_error("no greeting");
  }
}

void HostileClient::initialize() {
  greet();
  const auto answer = call(RpcCallNumber::initialize, "ayyay", [](RpcWriter& writer) {
    writer.byte(1);
    writer.string(as_bytes("PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1"));
    writer.byte(0);
    writer.byte(1);
    writer.u32(kNull);
  });
  if (!answer || answer->rv != CKR_OK) throw std::runtime_error("C_Initialize");
}

CK_SESSION_HANDLE HostileClient::open_session() {
  initialize();
  slot_ = first_number(call(RpcCallNumber::get_slot_list, "yfu",
                            [](RpcWriter& writer) {
                              writer.byte(1);
                              writer.u32(16);
                            }),
                       "C_GetSlotList", 5);
  session_ = first_number(call(RpcCallNumber::open_session, "uu",
                               [&](RpcWriter& writer) {
                                 writer.ulong(slot_);
                                 writer.ulong(CKF_SERIAL_SESSION | CKF_RW_SESSION);
                               }),
                          "C_OpenSession");
  return session_;
}

void HostileClient::generate() {
  const auto answer = call(RpcCallNumber::generate_key_pair, "uMaAaA", [&](RpcWriter& writer) {
    writer.ulong(session_);
    writer.u32(CKM_EC_KEY_PAIR_GEN);
    writer.u32(kNull);
    writer.u32(1);
    writer.u32(CKA_EC_PARAMS);
    writer.byte(1);
    writer.u32(kP256.size());
    writer.string(kP256);
    writer.u32(0);
  });
  key_ = first_number(answer, "C_GenerateKeyPair", sizeof(CK_ULONG));
}

bool HostileClient::sign() {
  const auto begun = call(RpcCallNumber::sign_init, "uMu", [&](RpcWriter& writer) {
    writer.ulong(session_);
    writer.u32(CKM_ECDSA);
    writer.u32(kNull);
    writer.ulong(key_);
  });
  if (!begun || begun->rv != CKR_OK) return false;
  const auto signature = call(RpcCallNumber::sign, "uayfy", [&](RpcWriter& writer) {
    writer.ulong(session_);
    writer.byte(1);
    writer.string(std::array<std::uint8_t, 32>{});
    writer.u32(64);
  });
  return signature && signature->rv == CKR_OK && signature->values.size() == 1 + 4 + 64;
}

}  // namespace mayfly::test
