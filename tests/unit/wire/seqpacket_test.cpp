// Whole messages over a socket, and everything that the other side can do wrong.
#include "wire/seqpacket.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/socket.h>
#include <sys/time.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support/send_descriptors.h"

namespace mayfly::wire {
namespace {

using std::chrono::milliseconds;
using Cause = WireError::Cause;

constexpr std::size_t kMost = 200'000;
constexpr Seqpacket::Patience kPatient{std::chrono::minutes(1), std::chrono::minutes(1)};

std::size_t limits(std::uint8_t kind) noexcept { return kind == 1 ? kMost : kind == 2 ? 100 : 0; }

class SeqpacketTest : public testing::Test {
 protected:
  SeqpacketTest() { connect(std::chrono::minutes(1)); }

  /// A new pair of ends, of which ours waits so long at most.
  void connect(milliseconds patience) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    theirs_.reset(ends[1]);
    ours_.emplace(Descriptor(ends[0]), Seqpacket::Patience{patience, patience}, limits);
  }

  /// What the other side sends, as it is.
  void say(const Bytes& packet) const {
    EXPECT_EQ(::send(theirs_.number(), packet.data(), packet.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(packet.size()));
  }
  [[nodiscard]] static Bytes packet(std::uint8_t kind, std::size_t size, bool more = false) {
    Bytes result = {kind, static_cast<std::uint8_t>(more), 0, 0, 9, 0, 0, 0};
    result.resize(result.size() + size, 0x55);
    return result;
  }

  std::optional<Cause> failure() {
    try {
      static_cast<void>(ours_->receive());
      return std::nullopt;
    } catch (const WireError& error) {
      return error.cause();
    }
  }

  static constexpr milliseconds kShort{50};

  Descriptor theirs_;
  std::optional<Seqpacket> ours_;
};

TEST_F(SeqpacketTest, MessagesOfAllSizesComeAsTheyWereSent) {
  Seqpacket other(std::move(theirs_), kPatient, limits);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kMaxPacket - 8, kMaxPacket - 7,
                                 2 * (kMaxPacket - 8), kMost}) {
    Bytes body(size);
    for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<std::uint8_t>(i * 7);
    std::thread sender([&] { other.send({1, 77, body}); });
    const Message got = ours_->receive();
    EXPECT_EQ(got.kind, 1);
    EXPECT_EQ(got.number, 77U);
    EXPECT_TRUE(equal(got.body, body)) << size;
    sender.join();
  }
}

TEST_F(SeqpacketTest, WhatIsNoMessageIsRefused) {
  const std::array<std::pair<const char*, Bytes>, 8> cases = {{
      {"shorter than a header", Bytes(7, 1)},
      {"longer than a packet", packet(1, kMaxPacket)},
      {"an unknown kind", packet(3, 0)},
      {"too long for its kind", packet(2, 101)},
      {"too long for its kind, with more to come", packet(2, 101, true)},
      {"nothing, with more to come", packet(1, 0, true)},
      {"an unknown flag", {1, 2, 0, 0, 0, 0, 0, 0}},
      {"not zero", {1, 0, 0, 1, 0, 0, 0, 0}},
  }};
  for (const auto& [what, bytes] : cases) {
    say(bytes);
    EXPECT_EQ(failure(), Cause::malformed) << what;
  }
}

TEST_F(SeqpacketTest, ARestMustBeOneOfTheSameMessage) {
  for (const Bytes& rest : {packet(2, 1), packet(1, 0), packet(1, 0, true), Bytes(3, 1),
                            Bytes{1, 0, 0, 0, 8, 0, 0, 0, 1}}) {
    say(packet(1, 1, true));
    say(rest);
    EXPECT_EQ(failure(), Cause::malformed);
  }
  for (int i = 0; i < 4; ++i) say(packet(1, 50'001, true));
  EXPECT_EQ(failure(), Cause::malformed) << "more than its kind may have";
}

TEST_F(SeqpacketTest, NobodyIsWaitedForForever) {
  connect(kShort);
  EXPECT_EQ(failure(), Cause::timed_out);
  say(packet(1, 1, true));
  EXPECT_EQ(failure(), Cause::timed_out);
  const Bytes body(1'000);
  const auto fill = [&] {
    for (int i = 0; i < 10'000; ++i) ours_->send({1, 1, body});
  };
  try {
    fill();
    ADD_FAILURE() << "10 MB were taken";
  } catch (const WireError& error) {
    EXPECT_EQ(error.cause(), Cause::timed_out);
  }
}

// Nor for ever by many small waits.
TEST_F(SeqpacketTest, AMessageHasOneDeadlineForAllItsPackets) {
  connect(std::chrono::seconds(1));
  std::atomic<bool> over{false};
  std::thread drip([&] {
    const Bytes drop = packet(1, 1, true);
    while (!over && ::send(theirs_.number(), drop.data(), drop.size(), MSG_NOSIGNAL) > 0) {
      std::this_thread::sleep_for(milliseconds(10));
    }
  });
  EXPECT_EQ(failure(), Cause::timed_out);
  over = true;
  ours_.reset();
  drip.join();
}

TEST_F(SeqpacketTest, WaitsAsLongAsOneMessageIsWorthAndNoLonger) {
  connect(kShort);
  std::thread late([&] {
    std::this_thread::sleep_for(4 * kShort);
    say(packet(1, 1));
  });
  EXPECT_EQ(ours_->receive(nullptr, std::chrono::minutes(1)).body.size(), 1U);
  late.join();
  EXPECT_EQ(failure(), Cause::timed_out) << "the usual patience again";
}

TEST_F(SeqpacketTest, LongMessagesOfAllEndsTakeTheirMemoryFromOneBudget) {
  Budget budget(200'000);
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  theirs_.reset(ends[1]);
  ours_.emplace(Descriptor(ends[0]), kPatient, limits, &budget);
  const auto say_long = [&] {
    say(packet(1, 60'000, true));
    say(packet(1, 40'000));
  };
  for (int i = 0; i < 3; ++i) {  // each gives back what it took
    say_long();
    EXPECT_EQ(ours_->receive().body.size(), 100'000U);
  }
  EXPECT_FALSE(budget.take(100'001)) << "the last one is still there";
  ours_->drop();
  ASSERT_TRUE(budget.take(100'000));
  say_long();
  EXPECT_EQ(failure(), Cause::system);
  ours_->drop();
  EXPECT_FALSE(budget.take(100'001));
  EXPECT_TRUE(budget.take(100'000)) << "what a broken message took is given back";
}

TEST_F(SeqpacketTest, SignalsDontMakeAWaitEndless) {
  connect(kShort);
  struct sigaction action {};
  action.sa_handler = [](int) {};
  struct sigaction before {};
  sigaction(SIGALRM, &action, &before);  // no SA_RESTART
  const itimerval often{{0, 5'000}, {0, 5'000}};
  setitimer(ITIMER_REAL, &often, nullptr);
  EXPECT_EQ(failure(), Cause::timed_out);
  const itimerval never{};
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
}

TEST_F(SeqpacketTest, ItIsNoticedWhenTheOtherSideIsGone) {
  theirs_.reset();
  EXPECT_EQ(failure(), Cause::hung_up);
  try {
    ours_->send({1, 1, {}});
    ADD_FAILURE() << "sent";
  } catch (const WireError& error) {
    EXPECT_EQ(error.cause(), Cause::hung_up);
  }
}

TEST_F(SeqpacketTest, ADescriptorComesWhereItIsAskedForAndNowhereElse) {
  Seqpacket other(std::move(theirs_), kPatient, limits);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  Descriptor kept;
  {
    const Descriptor in(ends[0]);
    const Descriptor out(ends[1]);
    other.send({1, 1, {}}, out.number());
    static_cast<void>(ours_->receive(&kept));
    ASSERT_TRUE(kept);
    EXPECT_NE(kept.number(), out.number());
    EXPECT_EQ(fcntl(kept.number(), F_GETFD), FD_CLOEXEC);
    other.send({1, 1, {}}, out.number());
    static_cast<void>(ours_->receive());
    other.send({1, 1, {}});
    Descriptor none;
    static_cast<void>(ours_->receive(&none));
    EXPECT_FALSE(none);
  }
  // The lowest free number is one of the pipe's: the one that was not asked for is closed.
  const Descriptor probe(fcntl(kept.number(), F_DUPFD_CLOEXEC, 0));
  EXPECT_TRUE(probe.number() == ends[0] || probe.number() == ends[1]);
}

TEST_F(SeqpacketTest, OfManyDescriptorsOneIsKept) {
  const Bytes bytes = packet(1, 0);
  std::array<int, 2> numbers{theirs_.number(), theirs_.number()};
  ASSERT_GE(test::send_descriptors(theirs_.number(), bytes, numbers), 0);
  const Descriptor lowest(fcntl(theirs_.number(), F_DUPFD_CLOEXEC, 0));
  const int next_free = fcntl(theirs_.number(), F_DUPFD_CLOEXEC, lowest.number());
  close(next_free);
  Descriptor kept;
  static_cast<void>(ours_->receive(&kept));
  EXPECT_EQ(kept.number(), next_free);
  const Descriptor probe(fcntl(theirs_.number(), F_DUPFD_CLOEXEC, next_free));
  EXPECT_EQ(probe.number(), next_free + 1) << "the second one was closed";
}

TEST_F(SeqpacketTest, NothingOfAMessageStaysInMemory) {
  say(packet(1, 100));
  const ByteView body = ours_->receive().body;
  EXPECT_EQ(body[50], 0x55);
  ours_->drop();
  EXPECT_EQ(body[50], 0);
}

}  // namespace
}  // namespace mayfly::wire
