// Agents that attack the worker of their task through its own door: it stays up, others of the task
// go on signing, other tasks notice nothing, and nothing is left of the attack.
#include <array>
#include <fcntl.h>
#include <list>
#include <random>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/broker/attacked_run.h"
#include "support/send_descriptors.h"
#include "wire/seqpacket.h"

namespace mayfly::test {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::Le;
using wire::Kind;

using AgentAttack = AttackedRun;

constexpr std::size_t kBodyOfPacket = wire::kMaxPacket - 8;

constexpr std::uint8_t number_of(Kind kind) { return static_cast<std::uint8_t>(kind); }

TEST_F(AgentAttack, RandomPackets) {
  std::mt19937 random(1);
  for (int round = 0; round < rounds() * 5; ++round) {
    HostileAgent attacker = enter();
    if (round % 2 == 0) attacker.greet();
    Bytes bytes(1 + random() % 4096);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    attacker.send(bytes);
  }
}

TEST_F(AgentAttack, RequestsWithWrongBytes) {
  std::mt19937 random(2);
  HostileAgent attacker = enter();
  attacker.open_session();
  for (int round = 0; round < rounds() * 20; ++round) {
    wire::GenerateRequest request{1, CKM_EC_KEY_PAIR_GEN, HostileAgent::certificate("a"), {}};
    Bytes packet = round % 2 == 0 ? HostileAgent::packet(Kind::generate, request)
                                  : HostileAgent::packet(Kind::sign, attacker.sign_request());
    const std::size_t changes = 1 + random() % 3;
    for (std::size_t i = 0; i < changes; ++i) {
      // Not the flags: the rest of a message would be waited for.
      packet[4 + random() % (packet.size() - 4)] = static_cast<std::uint8_t>(random());
    }
    if (attacker.send(packet) && attacker.receive()) continue;
    attacker = enter();
    attacker.open_session();
  }
}

TEST_F(AgentAttack, WhatIsNoRequestEndsTheConnection) {
  const auto is_refused = [&](const Bytes& packet, bool greeted = true) {
    HostileAgent attacker = enter();
    if (greeted) attacker.greet();
    attacker.send(packet);
    return attacker.is_hung_up();
  };
  EXPECT_TRUE(is_refused(HostileAgent::packet(number_of(Kind::sign), {}), false)) << "no HELLO";
  EXPECT_TRUE(is_refused(HostileAgent::packet(Kind::hello, wire::HelloRequest{}))) << "a second";
  for (const int kind : {0, wire::kLastKind + 1, 255}) {
    EXPECT_TRUE(is_refused(HostileAgent::packet(static_cast<std::uint8_t>(kind), {}))) << kind;
  }
  for (const std::size_t size : {1U, 4U, 7U}) EXPECT_TRUE(is_refused(Bytes(size, 1))) << size;
  Bytes flags = HostileAgent::packet(number_of(Kind::task_info), {});
  flags[1] = 2;
  EXPECT_TRUE(is_refused(flags));
  flags[1] = 0;
  flags[2] = 1;
  EXPECT_TRUE(is_refused(flags));
  // Too little, and too much.
  EXPECT_TRUE(is_refused(HostileAgent::packet(number_of(Kind::open_session), {})));
  EXPECT_TRUE(is_refused(HostileAgent::packet(number_of(Kind::task_info), Bytes(1))));
  EXPECT_TRUE(is_refused(HostileAgent::packet(number_of(Kind::open_session), Bytes(1, 2))));
  EXPECT_TRUE(is_refused(HostileAgent::packet(number_of(Kind::sign), Bytes(wire::kMaxPacket))));
  EXPECT_TRUE(
      is_refused(HostileAgent::packet(Kind::login, wire::LoginRequest{1, Bytes(kMaxPinSize + 1)})));
  EXPECT_TRUE(is_refused(HostileAgent::packet(Kind::attest, wire::AttestRequest{1, Bytes(65)})));
  EXPECT_TRUE(is_refused(HostileAgent::packet(number_of(Kind::attest), Bytes(13))));
  // A list that says that it has 4 billion of them, and a value of 4 GiB.
  Bytes huge(8, 0);
  huge.resize(12, 0xff);
  EXPECT_TRUE(is_refused(HostileAgent::packet(number_of(Kind::create_object), huge)));
  huge.assign({0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff});
  EXPECT_TRUE(is_refused(HostileAgent::packet(number_of(Kind::create_object), huge)));
  EXPECT_TRUE(is_logged("a connection was ended: a list is longer than its message"));
}

TEST_F(AgentAttack, BeforeHelloNothingTakesMoreThanAPacket) {
  const Bytes part(wire::kMaxPacket - 8);
  HostileAgent stranger = enter();
  stranger.send(HostileAgent::packet(number_of(Kind::sign), part, true));
  stranger.send(HostileAgent::packet(number_of(Kind::sign), part, true));
  EXPECT_TRUE(stranger.is_hung_up());
  EXPECT_TRUE(is_logged("a connection was ended: a message has more than the 65528 bytes"));
}

TEST_F(AgentAttack, LongRequestsOfAllClientsTogetherHaveABound) {
  // malloc keeps some of what had to move when it grew.
  most_memory_ = kMostMemory + std::size_t{32} * 1024;
  std::vector<HostileAgent> attackers;
  const Bytes packet =
      HostileAgent::packet(number_of(Kind::sign), Bytes(wire::kMaxPacket - 8), true);
  bool all_taken = true;
  for (int i = 0; i < 5 && all_taken; ++i) {
    HostileAgent& attacker = attackers.emplace_back(enter());
    attacker.greet();
    for (std::size_t sent = 0; sent < kMaxSignedMessage - packet.size(); sent += packet.size()) {
      if (!attacker.send(packet)) all_taken = false;
      if (!all_taken) break;
    }
  }
  EXPECT_FALSE(all_taken) << "80 MiB were taken";
  EXPECT_TRUE(is_logged("long messages of all clients together take too much memory"));
  HostileAgent other = enter();
  other.open_session();
  other.generate();
  EXPECT_TRUE(other.sign()) << "what needs no such memory is served";
  attackers.clear();
  EXPECT_TRUE(other.sign());
}

TEST_F(AgentAttack, AnotherVersionAndAWrongLaneKeyAreToldSo) {
  const auto refused = [&](const wire::HelloRequest& request, CK_RV rv) {
    HostileAgent attacker = enter();
    const auto answer = attacker.call(Kind::hello, request);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->rv, rv);
    EXPECT_FALSE(attacker.page());
    EXPECT_TRUE(attacker.is_hung_up());
  };
  HostileAgent first = enter();
  Bytes key = first.greet().lane_key;
  ASSERT_EQ(key.size(), wire::kLaneKeySize);
  refused({2, {}}, CKR_FUNCTION_NOT_SUPPORTED);
  key[31] = static_cast<std::uint8_t>(key[31] + 1);
  refused({1, key}, CKR_FUNCTION_REJECTED);
  refused({1, ByteView(key).first(31)}, CKR_FUNCTION_REJECTED);
  key[31] = static_cast<std::uint8_t>(key[31] - 1);
  // Right, but of another process.
  const pid_t child = fork();
  if (child == 0) {
    HostileAgent thief(door());
    const auto answer = thief.call(Kind::hello, wire::HelloRequest{1, key});
    _exit(answer && answer->rv == CKR_FUNCTION_REJECTED ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  HostileAgent lane = enter();
  lane.greet(key);
  EXPECT_FALSE(lane.page());
  first.close();
  EXPECT_TRUE(lane.is_hung_up()) << "the application ends with its first lane";
  refused({1, key}, CKR_FUNCTION_REJECTED);
}

TEST_F(AgentAttack, HandlesOfOthersMeanNothing) {
  HostileAgent victim = enter();
  const std::uint64_t session = victim.open_session();
  const std::uint64_t key = victim.generate();
  HostileAgent attacker = enter();
  attacker.open_session();
  const auto expect = [&](Kind kind, const auto& request, CK_RV rv) {
    const auto answer = attacker.call(kind, request);
    ASSERT_TRUE(answer) << wire::name_of(kind);
    EXPECT_EQ(answer->rv, rv) << wire::name_of(kind);
    EXPECT_FALSE(answer->text.empty());
  };
  wire::SignRequest sign = victim.sign_request();
  expect(Kind::sign, sign, CKR_KEY_HANDLE_INVALID);
  for (const std::uint64_t stranger : {session, key, std::uint64_t{0}, ~std::uint64_t{0}}) {
    expect(Kind::close_session, wire::SessionName{stranger}, CKR_SESSION_HANDLE_INVALID);
    expect(Kind::logout, wire::SessionName{stranger}, CKR_SESSION_HANDLE_INVALID);
    expect(Kind::login, wire::LoginRequest{stranger, {}}, CKR_SESSION_HANDLE_INVALID);
    expect(Kind::generate, wire::GenerateRequest{stranger, CKM_EC_KEY_PAIR_GEN, {}, {}},
           CKR_SESSION_HANDLE_INVALID);
    expect(Kind::create_object, wire::CreateObjectRequest{stranger, {}},
           CKR_SESSION_HANDLE_INVALID);
    expect(Kind::destroy_object, wire::DestroyObjectRequest{stranger, key},
           CKR_SESSION_HANDLE_INVALID);
    sign.key = stranger;
    expect(Kind::sign, sign, CKR_KEY_HANDLE_INVALID);
    expect(Kind::attest, wire::AttestRequest{stranger, Bytes(16)}, CKR_KEY_HANDLE_INVALID);
  }
  const std::uint64_t own =
      attacker.get<wire::SessionName>(Kind::open_session, wire::OpenSessionRequest{true}).session;
  expect(Kind::destroy_object, wire::DestroyObjectRequest{own, key}, CKR_OBJECT_HANDLE_INVALID);
  expect(Kind::copy_object, wire::ChangeObjectRequest{own, key, {}}, CKR_OBJECT_HANDLE_INVALID);
  expect(Kind::set_attributes, wire::ChangeObjectRequest{own, key, {}}, CKR_OBJECT_HANDLE_INVALID);
  EXPECT_TRUE(victim.sign());
}

TEST_F(AgentAttack, WhatSignsIsJudgedByTheWorker) {
  HostileAgent attacker = enter();
  attacker.open_session();
  attacker.generate();
  const auto answer_to = [&](CK_MECHANISM_TYPE mechanism, std::size_t size) {
    wire::SignRequest request = attacker.sign_request();
    const Bytes input(size, 0x22);
    request.mechanism = mechanism;
    request.input = input;
    const auto answer = attacker.call(Kind::sign, request);
    return answer ? answer->rv : CKR_GENERAL_ERROR;
  };
  EXPECT_EQ(answer_to(CKM_ECDSA_SHA256, 32), CKR_OK);
  EXPECT_EQ(answer_to(CKM_ECDSA_SHA256, 33), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(answer_to(CKM_ECDSA_SHA256, 0), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(answer_to(CKM_ECDSA, 65), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(answer_to(CKM_ECDSA, 1'000'000), CKR_DATA_LEN_RANGE);  // in many packets
  EXPECT_EQ(answer_to(CKM_RSA_PKCS, 32), CKR_KEY_TYPE_INCONSISTENT);
  EXPECT_EQ(answer_to(CKM_EDDSA, 32), CKR_KEY_TYPE_INCONSISTENT);
  EXPECT_EQ(answer_to(CKM_SHA256, 32), CKR_MECHANISM_INVALID);
  EXPECT_EQ(answer_to(0x80000001, 32), CKR_MECHANISM_INVALID);
  EXPECT_TRUE(attacker.sign()) << "the connection goes on";
}

TEST_F(AgentAttack, EvidenceIsAskedForByTheRules) {
  HostileAgent attacker = enter();
  attacker.open_session();
  const std::uint64_t key = attacker.generate();
  const auto answer_to = [&](std::size_t nonce_size) {
    const Bytes nonce(nonce_size, 1);
    const auto answer = attacker.call(Kind::attest, wire::AttestRequest{key, nonce});
    return answer ? answer->rv : CKR_GENERAL_ERROR;
  };
  EXPECT_EQ(answer_to(0), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(answer_to(7), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(answer_to(64), CKR_FUNCTION_NOT_SUPPORTED) << "SoftHSM2 gives none";
  EXPECT_TRUE(attacker.sign()) << "the connection goes on";
}

TEST_F(AgentAttack, APrivateKeyIsNeverBroughtIn) {
  HostileAgent attacker = enter();
  const std::uint64_t session = attacker.open_session();
  const CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
  const Bytes value(32, 1);
  const auto class_of = [](const CK_OBJECT_CLASS& value_of) {
    return ByteView(reinterpret_cast<const std::uint8_t*>(&value_of), sizeof value_of);
  };
  const wire::AttributeList brought = {{CKA_CLASS, class_of(private_key)}, {CKA_VALUE, value}};
  const auto made = attacker.call(Kind::create_object, wire::CreateObjectRequest{session, brought});
  ASSERT_TRUE(made);
  EXPECT_EQ(made->rv, CKR_ATTRIBUTE_VALUE_INVALID);
  const std::uint64_t key = attacker.generate();
  const Bytes yes(1, CK_TRUE);
  for (const CK_ATTRIBUTE_TYPE type : {CKA_EXTRACTABLE, CKA_DERIVE, CKA_UNWRAP}) {
    const auto changed =
        attacker.call(Kind::copy_object, wire::ChangeObjectRequest{session, key, {{type, yes}}});
    ASSERT_TRUE(changed);
    EXPECT_EQ(changed->rv, CKR_ATTRIBUTE_READ_ONLY);
  }
}

TEST_F(AgentAttack, RequestsOfWhichTheRestNeverComesTakeLittleAndEnd) {
  const std::size_t before = status_of(worker_, "VmRSS");
  std::list<HostileAgent> attackers;
  for (int i = 0; i < kConnections - kAlwaysThere - 1; ++i) {
    HostileAgent& attacker = attackers.emplace_back(door());
    attacker.greet();
    EXPECT_TRUE(
        attacker.send(HostileAgent::packet(number_of(Kind::sign), Bytes(kBodyOfPacket), true)));
  }
  expect_others_sign();
  EXPECT_LE(status_of(worker_, "VmRSS"), before + kForConnections);
  EXPECT_TRUE(attackers.back().is_hung_up()) << "the rest is waited for for 10 s";
  EXPECT_TRUE(is_logged("took too long"));
}

TEST_F(AgentAttack, RequestsThatAreLongerThanTheirKindMayBe) {
  for (const Kind kind : {Kind::create_object, Kind::sign, Kind::login, Kind::hello}) {
    HostileAgent attacker = enter();
    if (kind != Kind::hello) attacker.greet();
    const Bytes packet = HostileAgent::packet(number_of(kind), Bytes(kBodyOfPacket), true);
    std::size_t sent = 0;
    while (attacker.send(packet)) sent += kBodyOfPacket;
    EXPECT_LE(sent, wire::most_of_request(number_of(kind)) + 20 * wire::kMaxPacket);
  }
  EXPECT_TRUE(is_logged("bytes of its kind"));
  // Others in between, and pieces of nothing.
  for (const Bytes& next : {HostileAgent::packet(number_of(Kind::task_info), {}),
                            HostileAgent::packet(number_of(Kind::sign), {}, true),
                            HostileAgent::packet(number_of(Kind::sign), Bytes(1), true, 8)}) {
    HostileAgent attacker = enter();
    attacker.greet();
    attacker.send(HostileAgent::packet(number_of(Kind::sign), Bytes(1), true));
    attacker.send(next);
    EXPECT_TRUE(attacker.is_hung_up());
  }
}

TEST_F(AgentAttack, ThousandsOfConnectionsOneAfterTheOther) {
  for (int i = 0; i < rounds() * 50; ++i) {
    HostileAgent attacker = enter();
    ASSERT_TRUE(attacker.connected());
    if (i % 50 == 0) {
      // Too many of them may not be cleared away yet.
      static_cast<void>(attacker.call(Kind::hello, wire::HelloRequest{}));
    } else if (i % 3 == 0) {
      attacker.send(HostileAgent::packet(Kind::hello, wire::HelloRequest{}));
    }
  }
}

TEST_F(AgentAttack, MoreConnectionsAtOnceThanTheLimit) {
  std::list<HostileAgent> attackers;
  Bytes key;
  int refused = 0;
  for (int i = 0; i < kConnections; ++i) {
    HostileAgent& attacker = attackers.emplace_back(door());
    try {
      // Lanes count as well.
      const auto hello = attacker.greet(i % 2 == 0 ? ByteView() : ByteView(key));
      if (i == 0) key = hello.lane_key;
    } catch (const std::runtime_error&) {
      ++refused;
    }
  }
  EXPECT_EQ(refused, kAlwaysThere);
  for (int i = 0; i < 300; ++i) EXPECT_THROW(enter().greet(), std::runtime_error);
  EXPECT_TRUE(is_logged("32 are open; see limits.connections"));
  expect_others_sign();
  attackers.clear();
  EXPECT_TRUE(is_calm());
  enter().greet();
}

TEST_F(AgentAttack, AClientThatNeverReadsIsHungUpOn) {
  std::list<HostileAgent> attackers;
  for (int i = 0; i < 8; ++i) {
    HostileAgent& attacker = attackers.emplace_back(door());
    attacker.greet();
    // Until the worker's thread is stuck in sending, and does not read any more.
    const Bytes packet = HostileAgent::packet(Kind::changes, wire::ChangesRequest{});
    EXPECT_TRUE(eventually([&] {
      std::size_t sent = 0;
      while (attacker.send_if_it_fits(packet)) ++sent;
      return sent == 0;
    }));
  }
  expect_others_sign();
  EXPECT_TRUE(is_calm()) << "each has 10 s";
}

TEST_F(AgentAttack, FloodsOfRefusedRequestsDontFillTheLog) {
  HostileAgent attacker = enter();
  attacker.open_session();
  wire::SignRequest request = attacker.sign_request();
  for (int i = 0; i < rounds() * 200; ++i) {
    const auto answer = attacker.call(Kind::sign, request);
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->rv, CKR_KEY_HANDLE_INVALID);
  }
  EXPECT_TRUE(eventually([&] {
    static_cast<void>(attacker.call(Kind::sign, request));
    return home_.log().find("lines like this were left out") != std::string::npos;
  }));
}

TEST_F(AgentAttack, FloodsOfSessionsStopAtTheLimitOfTheProcess) {
  HostileAgent attacker = enter();
  const Bytes key = attacker.greet().lane_key;
  HostileAgent lane = enter();
  lane.greet(key);
  int opened = 0;
  for (int i = 0; i < rounds() * 10; ++i) {
    HostileAgent& one = i % 2 == 0 ? attacker : lane;
    const auto answer = one.call(Kind::open_session, wire::OpenSessionRequest{i % 3 == 0});
    ASSERT_TRUE(answer);
    if (answer->rv == CKR_OK) ++opened;
  }
  EXPECT_EQ(opened, kSessions);
}

TEST_F(AgentAttack, FloodsOfObjectsStopAtTheTasksQuota) {
  std::list<HostileAgent> attackers;
  for (const std::size_t size : {64U * 1024U, 1U}) {
    std::size_t made = 0;
    for (int i = 0; i < 4; ++i) {  // more connections get no more
      HostileAgent& attacker = attackers.emplace_back(door());
      const std::uint64_t session = attacker.open_session();
      const std::string label(size, 'x');
      const wire::CreateObjectRequest request{session, HostileAgent::certificate(label)};
      CK_RV rv = CKR_OK;
      while (rv == CKR_OK) {
        const auto answer = attacker.call(Kind::create_object, request);
        ASSERT_TRUE(answer);
        rv = answer->rv;
        if (rv == CKR_OK) ++made;
      }
      EXPECT_EQ(rv, CKR_DEVICE_MEMORY);
    }
    EXPECT_THAT(made, AllOf(Ge(10U), Le(size == 1 ? static_cast<unsigned>(kObjects) : 64U)));
    attackers.clear();
    EXPECT_TRUE(is_calm());
  }
  EXPECT_TRUE(is_logged("see limits.objects"));
}

TEST_F(AgentAttack, ClientsThatPassDescriptors) {
  HostileAgent attacker = enter();
  attacker.greet();
  const Bytes packet = HostileAgent::packet(Kind::task_info, wire::Nothing{});
  static constexpr std::size_t kPassed = 100;
  std::array<int, kPassed> descriptors;
  descriptors.fill(attacker.socket());
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(send_descriptors(attacker.socket(), packet, descriptors),
              static_cast<ssize_t>(packet.size()));
    ASSERT_TRUE(attacker.receive());
    EXPECT_LE(descriptors_of(worker_), descriptors_ + 3);  // two sockets and a process
  }
}

TEST_F(AgentAttack, TheChangePageCantBeWrittenOrTakenAway) {
  HostileAgent attacker = enter();
  attacker.greet();
  ASSERT_TRUE(attacker.page());
  const int page = attacker.page().number();
  EXPECT_EQ(mmap(nullptr, wire::kChangePageSize, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0),
            MAP_FAILED);
  EXPECT_NE(ftruncate(page, 0), 0);
  EXPECT_LT(write(page, "x", 1), 0);
  EXPECT_NE(fcntl(page, F_ADD_SEALS, F_SEAL_WRITE), 0);
  const Descriptor again(
      open(("/proc/self/fd/" + std::to_string(page)).c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_LT(write(again.number(), "x", 1), 0);
  void* const mapped = mmap(nullptr, wire::kChangePageSize, PROT_READ, MAP_SHARED, page, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  EXPECT_NE(mprotect(mapped, wire::kChangePageSize, PROT_READ | PROT_WRITE), 0);
  munmap(mapped, wire::kChangePageSize);
}

/// A child that holds a copy of its parent's connection, and is not killed with it.
TEST_F(AgentAttack, AConnectionEndsWithTheProcessThatMadeItAndNotWithTheLastWhoHoldsIt) {
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t attacker = fork();
  if (attacker == 0) {
    HostileAgent agent(door());
    agent.open_session();
    agent.generate();
    const pid_t child = fork();
    if (child == 0) {
      const bool hung_up = agent.is_hung_up();
      [[maybe_unused]] const ssize_t told = write(ready[1], hung_up ? "y" : "n", 1);
      _exit(0);
    }
    [[maybe_unused]] const ssize_t told = write(ready[1], "r", 1);
    pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'r');
  EXPECT_GT(descriptors_of(worker_), descriptors_);
  kill(attacker, SIGKILL);
  waitpid(attacker, nullptr, 0);
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  close(ready[0]);
  close(ready[1]);
}

TEST_F(AgentAttack, AClientThatIsKilledWhileItSigns) {
  for (int round = 0; round < rounds() / 4; ++round) {
    int ready[2];
    ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
    const pid_t attacker = fork();
    if (attacker == 0) {
      HostileAgent hostile(door());
      hostile.open_session();
      hostile.generate();
      while (hostile.sign()) {
        [[maybe_unused]] const ssize_t written = write(ready[1], "s", 1);
      }
      _exit(1);
    }
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    kill(attacker, SIGKILL);
    waitpid(attacker, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
  }
  expect_others_sign();
}

TEST_F(AgentAttack, AnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs a second user, which root can be";
  for (const auto& path : {home_.folder(), home_.runtime_folder(), door().parent_path(), door()}) {
    ASSERT_EQ(chmod(path.c_str(), 0777), 0);
  }
  const pid_t stranger = fork();
  if (stranger == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(2);
    HostileAgent agent(door());
    _exit(agent.connected() && agent.is_hung_up() ? 0 : 1);
  }
  int status = -1;
  waitpid(stranger, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(is_logged("refused a connection of user 65534"));
}

}  // namespace
}  // namespace mayfly::test
