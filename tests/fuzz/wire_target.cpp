// What comes over mayfly's own wire, at either end: any packets are messages or refused, and a body
// that can be read is written again as the same bytes.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz/finding.h"
#include "fuzz/input.h"
#include "fuzz/socket_pair.h"
#include "wire/protocol.h"
#include "wire/seqpacket.h"

namespace mayfly::test {
namespace {

using wire::Kind;
using wire::WireError;

template <typename T>
void check(ByteView body) {
  wire::Reader in(body);
  const T value = T::read(in);
  in.require_end();
  Bytes again;
  wire::Writer out(again);
  value.write(out);
  require(equal(again, body), "a body that can be read is the one that is written for it");
}

void check_request(Kind kind, ByteView body) {
  switch (kind) {
    case Kind::hello:
      return check<wire::HelloRequest>(body);
    case Kind::open_session:
      return check<wire::OpenSessionRequest>(body);
    case Kind::close_session:
    case Kind::logout:
      return check<wire::SessionName>(body);
    case Kind::login:
      return check<wire::LoginRequest>(body);
    case Kind::generate:
      return check<wire::GenerateRequest>(body);
    case Kind::create_object:
      return check<wire::CreateObjectRequest>(body);
    case Kind::copy_object:
    case Kind::set_attributes:
      return check<wire::ChangeObjectRequest>(body);
    case Kind::destroy_object:
      return check<wire::DestroyObjectRequest>(body);
    case Kind::changes:
      return check<wire::ChangesRequest>(body);
    case Kind::sign:
      return check<wire::SignRequest>(body);
    case Kind::task_info:
      return check<wire::Nothing>(body);
    case Kind::attest:
      return check<wire::AttestRequest>(body);
    case Kind::open_child:
      return check<wire::OpenChildRequest>(body);
    case Kind::add_door:
      return check<wire::AddDoorRequest>(body);
    case Kind::close_child:
      return check<wire::ChildName>(body);
  }
}

void check_answer(Kind kind, ByteView body) {
  wire::Reader in(body);
  if (const auto head = wire::AnswerHead::read(in); head.rv != CKR_OK) {
    in.require_end();
    for (const char character : head.text) {
      require(character >= ' ' && character <= '~', "the text of a refusal is printable");
    }
    return;
  }
  const ByteView rest = body.subspan(sizeof(std::uint64_t));
  switch (kind) {
    case Kind::hello:
      return check<wire::HelloAnswer>(rest);
    case Kind::open_session:
      return check<wire::SessionName>(rest);
    case Kind::generate:
      return check<wire::GenerateAnswer>(rest);
    case Kind::create_object:
    case Kind::copy_object:
    case Kind::set_attributes:
      return check<wire::ObjectRecord>(rest);
    case Kind::changes:
      return check<wire::ChangesAnswer>(rest);
    case Kind::sign:
      return check<wire::Signature>(rest);
    case Kind::task_info:
      return check<wire::TaskInfoAnswer>(rest);
    case Kind::attest:
      return check<wire::Evidence>(rest);
    case Kind::open_child:
      return check<wire::OpenChildAnswer>(rest);
    case Kind::close_child:
      return check<wire::ChildEnd>(rest);
    case Kind::add_door:
    case Kind::close_session:
    case Kind::login:
    case Kind::logout:
    case Kind::destroy_object:
      return check<wire::Nothing>(rest);
  }
}

bool has_packet(int socket) {
  pollfd entry{socket, POLLIN, 0};
  return poll(&entry, 1, 0) > 0;
}

/// Each piece of the input is a packet.
void play(Input& input) {
  const bool as_worker = input.flag();
  auto [theirs, end] = socket_pair(SOCK_SEQPACKET);
  constexpr std::chrono::minutes kLong{1};
  wire::Seqpacket ours(std::move(end), {kLong, kLong},
                       as_worker ? wire::most_of_request : wire::most_of_answer);
  while (!input.empty()) {
    const ByteView packet = input.piece(input.number(2));
    if (send(theirs.number(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) break;
  }
  theirs.reset();  // what was sent can still be read, and then no more comes
  while (has_packet(ours.descriptor())) {
    const wire::Message message = ours.receive();
    const Kind kind{message.kind};
    require(message.body.size() <= (as_worker ? wire::most_of_request(message.kind)
                                              : wire::most_of_answer(message.kind)),
            "a message has at most what its kind may have");
    if (as_worker) {
      check_request(kind, message.body);
    } else {
      check_answer(kind, message.body);
    }
  }
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  test::Input input(data, size);
  try {
    test::play(input);
  } catch (const wire::WireError&) {  // refused
  }
  return 0;
}
