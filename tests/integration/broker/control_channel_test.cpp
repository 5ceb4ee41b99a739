// What a supervisor and its worker can say to each other, and what they don't believe.
#include "tools/broker/control_channel.h"

#include <sys/socket.h>
#include <thread>

#include <gtest/gtest.h>

#include "base/error.h"

namespace mayfly::broker {
namespace {

using std::chrono::steady_clock;

/// A channel, and the bare socket at its other end.
std::pair<ControlChannel, Descriptor> channel_and_socket() {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  return {ControlChannel(Descriptor(ends[0])), Descriptor(ends[1])};
}

TEST(ControlChannel, AMessageArrivesWhole) {
  auto [left, right] = ControlChannel::make_pair();
  Message sent;
  sent.kind = MessageKind::failed;
  sent.rv = CKR_PIN_INCORRECT;
  sent.pending = 12'345'678'901;
  sent.text = "the PIN is wrong; try «another»";
  ASSERT_TRUE(left.send(sent));
  ASSERT_TRUE(left.send({}));
  const auto received = right.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->kind, sent.kind);
  EXPECT_EQ(received->rv, sent.rv);
  EXPECT_EQ(received->pending, sent.pending);
  EXPECT_EQ(received->text, sent.text);
  EXPECT_EQ(right.receive()->kind, MessageKind::ready);
}

TEST(ControlChannel, ALongTextIsCutOnACharacter) {
  auto [left, right] = ControlChannel::make_pair();
  Message sent;
  sent.text = std::string(ControlChannel::kMaxText - 1, 'x') + "ü";
  ASSERT_TRUE(left.send(sent));
  EXPECT_EQ(right.receive()->text, std::string(ControlChannel::kMaxText - 1, 'x'));
}

TEST(ControlChannel, WhatIsNoMessageIsRefused) {
  for (const std::string& rubbish :
       {std::string(1, '\0'), std::string(39, '\1'), std::string(40, '\0'), std::string(40, '\xff'),
        std::string(40 + ControlChannel::kMaxText + 1, '\1')}) {
    auto [channel, socket] = channel_and_socket();
    ASSERT_EQ(::send(socket.number(), rubbish.data(), rubbish.size(), 0),
              static_cast<ssize_t>(rubbish.size()));
    EXPECT_THROW(static_cast<void>(channel.receive()), Error) << rubbish.size();
  }
}

TEST(ControlChannel, WhatMustArriveWaitsForRoom) {
  auto [left, right] = ControlChannel::make_pair();
  Message message;
  message.kind = MessageKind::key_destroyed;
  std::size_t sent = 0;
  while (left.send(message)) ++sent;  // until it is full
  EXPECT_FALSE(left.send_by(steady_clock::now(), message));
  std::thread reader([&] {
    for (std::size_t i = 0; i <= sent; ++i) static_cast<void>(right.receive());
  });
  EXPECT_TRUE(left.send_by(steady_clock::now() + std::chrono::minutes(1), message));
  reader.join();
  right.close();
  EXPECT_FALSE(left.send_by(steady_clock::now() + std::chrono::minutes(1), message));
}

TEST(ControlChannel, TheEndOfTheOtherSideIsNoticed) {
  auto [left, right] = ControlChannel::make_pair();
  EXPECT_FALSE(left.wait(steady_clock::now()));
  ASSERT_TRUE(right.send({}));
  right.close();
  EXPECT_TRUE(left.wait(steady_clock::now()));
  EXPECT_TRUE(left.receive());
  EXPECT_FALSE(left.receive());
  EXPECT_FALSE(left.send({}));  // and no SIGPIPE ends this test
}

TEST(ControlChannel, AnOtherSideThatDoesNotReadBlocksNobody) {
  auto [left, right] = ControlChannel::make_pair();
  bool sent = true;
  for (int i = 0; i < 100'000 && sent; ++i) sent = left.send({});
  EXPECT_FALSE(sent);
}

}  // namespace
}  // namespace mayfly::broker
