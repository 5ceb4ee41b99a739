#include "support/lying_worker.h"

#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace mayfly::test {

Descriptor make_change_page(const PageShape& shape) {
  Descriptor page(memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  constexpr off_t kEnded = offsetof(wire::ChangePageLayout, ended);
  if (!page || ftruncate(page.number(), static_cast<off_t>(shape.size)) != 0 ||
      (shape.ended != 0 && pwrite(page.number(), &shape.ended, sizeof shape.ended, kEnded) < 0) ||
      fcntl(page.number(), F_ADD_SEALS, shape.seals) != 0) {
    throw std::runtime_error("no change page");
  }
  return page;
}

Bytes answer_packet(const wire::Message& request, CK_RV rv,
                    const std::function<void(wire::Writer&)>& write) {
  Bytes packet;
  wire::Writer writer(packet);
  writer.u8(request.kind);
  for (int i = 0; i < 3; ++i) writer.u8(0);
  writer.u32(request.number);
  wire::AnswerHead{rv, rv == CKR_OK ? "" : "no"}.write(writer);
  if (write) write(writer);
  return packet;
}

bool send_raw(int socket, ByteView packet, int passed) {
  iovec piece{const_cast<std::uint8_t*>(packet.data()), packet.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::uint8_t control[CMSG_SPACE(sizeof passed)] = {};
  if (passed >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof passed);
    std::memcpy(CMSG_DATA(rights), &passed, sizeof passed);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL) >= 0;
}

wire::HelloAnswer LyingWorker::true_hello() {
  wire::HelloAnswer answer;
  answer.lane_key.assign(wire::kLaneKeySize, 7);
  answer.task_id = "task";
  answer.serial = "0123456789abcdef";
  answer.deadline = ~std::uint64_t{0};
  answer.key_specs = {{CKK_EC, 256}, {CKK_RSA, 2048}};
  answer.sign_inputs = {{Scheme::ecdsa, Hash::none, false}, {Scheme::ecdsa, Hash::sha256, false}};
  answer.max_sessions = 100;
  answer.mechanisms = {CKM_ECDSA, CKM_ECDSA_SHA256};
  answer.attests = true;
  return answer;
}

bool LyingWorker::say_hello(int socket, const wire::Message& request, Descriptor page,
                            const wire::HelloAnswer& answer) {
  return send_raw(socket,
                  answer_packet(request, CKR_OK, [&](wire::Writer& out) { answer.write(out); }),
                  page.number());
}

LyingWorker::LyingWorker(Script script)
    : LyingWorker(std::move(script), [](int socket, const wire::Message& request) {
        return say_hello(socket, request, make_change_page());
      }) {}

LyingWorker::LyingWorker(Script script, Script hello)
    : script_(std::move(script)),
      hello_(std::move(hello)),
      listening_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket().copy(address.sun_path, sizeof address.sun_path - 1);
  if (bind(listening_.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listening_.number(), 64) != 0) {
    throw std::runtime_error("no socket for the worker");
  }
  accepting_ = std::thread([this] { accept_all(); });
}

LyingWorker::~LyingWorker() {
  shutdown(listening_.number(), SHUT_RDWR);
  accepting_.join();
  for (const Descriptor& socket : sockets_) shutdown(socket.number(), SHUT_RDWR);
  for (std::thread& thread : threads_) thread.join();
}

void LyingWorker::accept_all() {
  while (true) {
    Descriptor socket(accept4(listening_.number(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return;
    ++count_;
    const int number = socket.number();
    const std::scoped_lock lock(mutex_);
    sockets_.push_back(std::move(socket));
    threads_.emplace_back([this, number] { serve(number); });
  }
}

void LyingWorker::serve(int socket) {
  try {
    wire::Seqpacket connection(Descriptor(dup(socket)), {std::nullopt, std::chrono::seconds(10)},
                               wire::most_of_request);
    bool first = true;
    bool open = true;
    while (open) {
      const wire::Message request = connection.receive();
      open = (first ? hello_ : script_)(socket, request);
      first = false;
    }
  } catch (const wire::WireError&) {  // the client hung up
  }
  shutdown(socket, SHUT_RDWR);
}

}  // namespace mayfly::test
