// A worker's own door, met by an agent that says anything at all.
#include <algorithm>
#include <array>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <vector>

#include "compose/library.h"
#include "fuzz/await.h"
#include "fuzz/finding.h"
#include "fuzz/fuzzed_device.h"
#include "fuzz/input.h"
#include "fuzz/socket_pair.h"
#include "fuzz/worker_end.h"
#include "tools/broker/agent_door.h"
#include "tools/broker/child_tasks.h"
#include "tools/broker/connection_set.h"
#include "wire/protocol.h"
#include "wire/seqpacket.h"

namespace mayfly::test {
namespace {

using std::chrono::seconds;
using wire::Kind;

constexpr std::uint8_t kMore = 0x80;
constexpr std::size_t kHandleSize = 8;

/// A worker, but for its process and its tasks.
struct Worker {
  Worker() : library(Config::load(device.write_config(false))) { signal(SIGPIPE, SIG_IGN); }

  const FuzzedDevice device;
  Library library;
  broker::ConnectionSet connections{{.connections = 4}};
};

/// Agent is the client's end. Handles differ from run to run, so that an input can't hold them: in
/// their place stand eight bytes that mean "the n-th handle that the worker has told of".
class Agent {
 public:
  Agent(int socket, int ended) noexcept : socket_(socket), ended_(ended) {}

  /// Sends a packet as it is. False if the worker has hung up.
  bool send(ByteView packet) const {
    return ::send(socket_, packet.data(), packet.size(), MSG_NOSIGNAL) >= 0;
  }

  /// Sends one packet of a request and, if it is the last one, waits for the answer.
  bool call(ByteView piece) {
    Input input(piece.data(), piece.size());
    const std::uint8_t kind = input.byte();
    const bool more = (kind & kMore) != 0;
    Bytes packet = {static_cast<std::uint8_t>(kind & ~kMore), more, 0, 0, 1, 0, 0, 0};
    const Bytes body = with_handles(input.rest());
    packet.insert(packet.end(), body.begin(), body.end());
    if (!send(packet)) return false;
    return more || receive(static_cast<Kind>(packet[0]));
  }

 private:
  /// Reads an answer, all of its packets. False if the worker hung up instead.
  bool receive(Kind kind) {
    Bytes body;
    Bytes packet(wire::kMaxPacket);
    for (bool more = true; more;) {
      std::array<pollfd, 2> entries{{{socket_, POLLIN, 0}, {ended_, POLLIN, 0}}};
      require(await(entries), "a worker answers, or ends the connection");
      const ssize_t size = recv(socket_, packet.data(), packet.size(), MSG_DONTWAIT);
      if (size <= 0) return false;
      require(size >= 8, "a worker's packets have headers");
      more = packet[1] != 0;
      body.insert(body.end(), packet.begin() + 8, packet.begin() + size);
    }
    learn(kind, body);
    return true;
  }

  void learn(Kind kind, ByteView body) {
    wire::Reader in(body);
    if (wire::AnswerHead::read(in).rv != CKR_OK) return;
    if (kind == Kind::open_session) {
      learn(wire::SessionName::read(in).session);
    } else if (kind == Kind::generate) {
      const auto pair = wire::GenerateAnswer::read(in);
      learn(pair.public_key.handle);
      learn(pair.private_key.handle);
    } else if (kind == Kind::create_object || kind == Kind::copy_object ||
               kind == Kind::set_attributes) {
      learn(wire::ObjectRecord::read(in).handle);
    } else if (kind == Kind::changes) {
      for (const auto& object : wire::ChangesAnswer::read(in).changed) learn(object.handle);
    } else {
      return;
    }
    in.require_end();
  }
  void learn(std::uint64_t handle) {
    if (!std::ranges::count(handles_, handle)) handles_.push_back(handle);
  }

  /// "HANDLE", a zero, and which one.
  [[nodiscard]] Bytes with_handles(ByteView body) const {
    static constexpr std::array<std::uint8_t, 7> kMark = {'H', 'A', 'N', 'D', 'L', 'E', 0};
    Bytes result = to_bytes(body);
    for (std::size_t at = 0; !handles_.empty() && at + kHandleSize <= result.size(); ++at) {
      if (!std::equal(kMark.begin(), kMark.end(), &result[at])) continue;
      const std::uint64_t handle = handles_[result[at + kMark.size()] % handles_.size()];
      Bytes bytes;
      wire::Writer(bytes).u64(handle);
      std::ranges::copy(bytes, &result[at]);
    }
    return result;
  }

  int socket_;
  int ended_;
  std::vector<std::uint64_t> handles_;
};

/// The first byte says whether the rest are packets as they are, or parts of requests behind a
/// HELLO, with two bytes of length before each.
void play(Agent& agent, Input& input) {
  const bool raw = input.byte() == 0;
  bool open = true;
  if (!raw) {
    Bytes hello = {static_cast<std::uint8_t>(Kind::hello)};
    wire::Writer out(hello);
    wire::HelloRequest{}.write(out);
    open = agent.call(hello);
  }
  while (open && !input.empty()) {
    const ByteView piece = input.piece(input.number(2));
    open = raw ? agent.send(piece) : agent.call(piece);
  }
}

void serve(Worker& worker, Input& input) {
  const auto task = worker.library.tasks().open({"fuzzed", seconds(3600)});
  broker::ChildTasks children(worker.library.tasks(), 16, worker.connections);
  broker::AgentDoor door(worker.library.tasks(), task, 16, children);
  {
    auto [ours, theirs] = socket_pair(SOCK_SEQPACKET);
    worker.connections.serve(std::move(theirs), door);
    Agent agent(ours.number(), worker.connections.finished());
    play(agent, input);
  }
  await_end(worker.connections);
  check_worker_end(worker.library, worker.device, *task);
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  static test::Worker worker;
  test::Input input(data, size);
  test::serve(worker, input);
  return 0;
}
