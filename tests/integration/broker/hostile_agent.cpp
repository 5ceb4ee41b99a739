#include "integration/broker/hostile_agent.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>

#include "integration/broker/broker_home.h"
#include "wire/seqpacket.h"

namespace mayfly::test {
namespace {

constexpr std::size_t kHeader = 8;

const Bytes kDigest(32, 0x11);

/// The bytes of a number, as an attribute has them.
template <typename Number>
ByteView bytes_of(const Number& number) {
  return {reinterpret_cast<const std::uint8_t*>(&number), sizeof number};
}

/// One packet, and the descriptor that came with it. Empty if the other side hung up.
Bytes receive_packet(int socket, Descriptor& passed) {
  Bytes packet(wire::kMaxPacket);
  iovec piece{packet.data(), packet.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t size = 0;
  do {
    size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  packet.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  if (size <= 0) return packet;  // the kernel wrote nothing into the control message
  if (const cmsghdr* const part = CMSG_FIRSTHDR(&message); part != nullptr) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(part), sizeof number);
    passed.reset(number);
  }
  return packet;
}

}  // namespace

HostileAgent::HostileAgent(const std::filesystem::path& door)
    : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  door.string().copy(address.sun_path, sizeof address.sun_path - 1);
  // An answer that never comes fails the test, instead of its whole binary.
  const timeval patience{60, 0};
  setsockopt(socket_.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  connected_ =
      connect(socket_.number(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

bool HostileAgent::send(ByteView packet) const {
  return ::send(socket_.number(), packet.data(), packet.size(), MSG_NOSIGNAL) >= 0;
}

bool HostileAgent::send_if_it_fits(ByteView packet) const {
  return ::send(socket_.number(), packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

bool HostileAgent::send(wire::Kind kind, ByteView body) const {
  static constexpr std::size_t kMost = wire::kMaxPacket - kHeader;
  while (true) {
    const ByteView part = body.first(std::min(body.size(), kMost));
    body = body.subspan(part.size());
    if (!send(packet(static_cast<std::uint8_t>(kind), part, !body.empty()))) return false;
    if (body.empty()) return true;
  }
}

Bytes HostileAgent::packet(std::uint8_t kind, ByteView part, bool more, std::uint32_t number) {
  Bytes result;
  wire::Writer writer(result);
  writer.u8(kind);
  writer.flag(more);
  writer.u8(0);
  writer.u8(0);
  writer.u32(number);
  result.insert(result.end(), part.begin(), part.end());
  return result;
}

std::optional<WireAnswer> HostileAgent::receive() {
  Bytes body;
  WireAnswer answer;
  for (bool more = true; more;) {
    const Bytes packet = receive_packet(socket_.number(), page_);
    if (packet.size() < kHeader) return std::nullopt;
    wire::Reader header(packet);
    answer.kind = header.u8();
    more = header.flag();
    static_cast<void>(header.u8());
    static_cast<void>(header.u8());
    answer.number = header.u32();
    body.insert(body.end(), packet.begin() + kHeader, packet.end());
  }
  wire::Reader reader(body);
  const auto head = wire::AnswerHead::read(reader);
  answer.rv = head.rv;
  answer.text = head.text;
  if (head.rv == CKR_OK) answer.body.assign(body.begin() + sizeof(std::uint64_t), body.end());
  return answer;
}

bool HostileAgent::is_hung_up() const {
  return eventually([this] {
    char byte = 0;
    const ssize_t size = recv(socket_.number(), &byte, 1, MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno == ECONNRESET);
  });
}

WireAnswer HostileAgent::require_ok(wire::Kind kind, std::optional<WireAnswer> answer) {
  if (!answer) throw std::runtime_error(std::string(wire::name_of(kind)) + ": hung up");
  if (answer->rv != CKR_OK) {
    throw std::runtime_error(std::string(wire::name_of(kind)) + ": " + answer->text);
  }
  return std::move(*answer);
}

wire::HelloAnswer HostileAgent::greet(ByteView join) {
  return get<wire::HelloAnswer>(wire::Kind::hello, wire::HelloRequest{wire::kVersion, join});
}

std::uint64_t HostileAgent::open_session() {
  greet();
  session_ =
      get<wire::SessionName>(wire::Kind::open_session, wire::OpenSessionRequest{true}).session;
  return session_;
}

std::uint64_t HostileAgent::generate(bool for_task) {
  const CK_BBOOL token = for_task ? CK_TRUE : CK_FALSE;
  wire::GenerateRequest request{session_, CKM_EC_KEY_PAIR_GEN, {}, {}};
  request.public_template = {{CKA_EC_PARAMS, ec_params({CKK_EC, 256})},
                             {CKA_TOKEN, bytes_of(token)}};
  request.private_template = {{CKA_TOKEN, bytes_of(token)}};
  key_ = get<wire::GenerateAnswer>(wire::Kind::generate, request).private_key.handle;
  return key_;
}

wire::SignRequest HostileAgent::sign_request() const {
  return {key_, CKM_ECDSA, std::nullopt, kDigest};
}

bool HostileAgent::sign() {
  const auto answer = call(wire::Kind::sign, sign_request());
  return answer && answer->rv == CKR_OK && answer->body.size() == 4 + 64;
}

wire::AttributeList HostileAgent::certificate(std::string_view label) {
  static constexpr CK_OBJECT_CLASS kClass = CKO_CERTIFICATE;
  static constexpr CK_CERTIFICATE_TYPE kType = CKC_X_509;
  return {{CKA_CLASS, bytes_of(kClass)},
          {CKA_CERTIFICATE_TYPE, bytes_of(kType)},
          {CKA_SUBJECT, as_bytes("subject")},
          {CKA_VALUE, as_bytes("value")},
          {CKA_LABEL, as_bytes(label)}};
}

}  // namespace mayfly::test
