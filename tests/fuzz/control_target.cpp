// The channel between a supervisor and its worker: any packet is a message or refused.
#include <sys/socket.h>

#include "base/error.h"
#include "fuzz/finding.h"
#include "fuzz/input.h"
#include "tools/broker/control_channel.h"

namespace mayfly::test {
namespace {

using broker::ControlChannel;
using broker::Message;

/// What was received as a message is sent and received as the same.
void check(const Message& message) {
  auto [left, right] = ControlChannel::make_pair();
  require(left.send(message), "a message that was received can be sent on");
  const std::optional<Message> again = right.receive();
  require(again && again->kind == message.kind && again->rv == message.rv &&
              again->pending == message.pending,
          "a message that is sent on is received as the same");
  require(message.text.starts_with(again->text), "a text is cut, and not changed");
  require(again->text.size() <= ControlChannel::kMaxText, "a text has a most length");
}

/// False when the channel counts as closed.
bool receive(ControlChannel& channel) {
  std::optional<Message> message;
  try {
    message = channel.receive();
  } catch (const Error& error) {
    require(error.rv() == CKR_GENERAL_ERROR, "a bad packet is CKR_GENERAL_ERROR");
    require_message(error.what());
    return true;
  }
  if (message) check(*message);
  return message.has_value();
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  auto [attacker, channel] = broker::ControlChannel::make_pair();
  test::Input input(data, size);
  while (!input.empty()) {
    const ByteView packet = input.piece(input.number(2));
    send(attacker.descriptor(), packet.data(), packet.size(), MSG_NOSIGNAL);
    if (!test::receive(channel)) break;
  }
  return 0;
}
