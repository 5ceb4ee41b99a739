// The task's own door, spoken to message by message: what one process does is seen by the others of
// the task, through either door, and nothing outlives the process that it belongs to.
#include <atomic>
#include <signal.h>
#include <sys/mman.h>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compose/broker_host.h"
#include "integration/broker/hostile_agent.h"
#include "integration/broker/hostile_client.h"
#include "integration/broker/mayfly_run.h"

namespace mayfly::test {
namespace {

using broker::RpcReader;
using broker::RpcWriter;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using wire::Kind;

class AgentDoorTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(run_.says("up")) << run_.errors();
    folder_ = home_.run_folders().at(0);
  }
  void TearDown() override {
    run_.send(SIGTERM);
    run_.wait();
  }

  [[nodiscard]] HostileAgent enter() const { return HostileAgent(folder_ / "door"); }
  [[nodiscard]] HostileClient p11kit_client() const { return HostileClient(folder_ / "socket"); }

  static wire::ChangesAnswer changes(HostileAgent& agent, std::uint64_t since) {
    return agent.get<wire::ChangesAnswer>(Kind::changes, wire::ChangesRequest{since, since});
  }
  static std::uint64_t keys(HostileAgent& agent) {
    return agent.get<wire::TaskInfoAnswer>(Kind::task_info, wire::Nothing{}).keys;
  }
  /// How many objects of the token a client of p11-kit finds.
  static std::size_t count_objects(HostileClient& client, CK_SESSION_HANDLE session) {
    const auto begun = client.call(RpcCallNumber::find_objects_init, "uaA", [&](RpcWriter& writer) {
      writer.ulong(session);
      writer.u32(0);
    });
    EXPECT_TRUE(begun && begun->rv == CKR_OK);
    const auto found = client.call(RpcCallNumber::find_objects, "ufu", [&](RpcWriter& writer) {
      writer.ulong(session);
      writer.u32(100);
    });
    EXPECT_TRUE(found && found->rv == CKR_OK);
    Bytes values = found->values;
    RpcReader reader(values);
    static_cast<void>(reader.byte());
    return reader.u32();
  }

  const BrokerHome home_;
  MayflyRun run_{home_, "t", {"/bin/sh", "-c", "echo up; exec sleep 600"}};
  std::filesystem::path folder_;
};

TEST_F(AgentDoorTest, TellsTheTaskAndTheDevice) {
  HostileAgent agent = enter();
  const wire::HelloAnswer hello = agent.greet();
  EXPECT_EQ(hello.version, 1U);
  EXPECT_EQ(hello.task_id, "t");
  EXPECT_EQ(hello.serial.size(), 16U);
  EXPECT_FALSE(hello.login_required);
  EXPECT_THAT(hello.manufacturer, HasSubstr("SoftHSM"));
  EXPECT_THAT(hello.key_specs, testing::Contains(KeySpec{CKK_EC_EDWARDS, 255}));
  EXPECT_THAT(hello.sign_inputs, testing::Not(IsEmpty()));
  EXPECT_GT(hello.max_sessions, 0U);
  EXPECT_EQ(agent.get<wire::TaskInfoAnswer>(Kind::task_info, wire::Nothing{}).deadline,
            hello.deadline);
}

TEST_F(AgentDoorTest, APinThatIsTooLongIsAWrongOneAndNoEnd) {
  BrokerHost host(std::make_shared<agent::BrokerLink>(folder_ / "door"));
  const auto session = host.open_session(true);
  try {
    host.login(session, Bytes(kMaxPinSize + 1, 'p'));
    ADD_FAILURE() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.rv(), CKR_PIN_INCORRECT);
  }
  EXPECT_EQ(host.end(), std::nullopt);
  host.login(session, Bytes(kMaxPinSize, 'p'));
}

TEST_F(AgentDoorTest, WhatOneProcessDoesToTokenObjectsIsToldToTheOthers) {
  HostileAgent maker = enter();
  HostileAgent watcher = enter();
  maker.open_session();
  watcher.open_session();
  void* const memory =
      mmap(nullptr, wire::kChangePageSize, PROT_READ, MAP_SHARED, watcher.page().number(), 0);
  ASSERT_NE(memory, MAP_FAILED);
  const auto& page = *static_cast<const wire::ChangePageLayout*>(memory);
  const auto counter = [&] { return __atomic_load_n(&page.changes, __ATOMIC_ACQUIRE); };

  const wire::ChangesAnswer start = changes(watcher, 0);
  EXPECT_TRUE(start.from_start);
  EXPECT_THAT(start.changed, SizeIs(1)) << "the task's own data object";
  EXPECT_EQ(start.now, counter());
  maker.generate();  // session objects are nobody else's
  EXPECT_EQ(counter(), start.now);

  const std::uint64_t key = maker.generate(true);
  EXPECT_NE(counter(), start.now);
  const wire::ChangesAnswer made = changes(watcher, start.now);
  EXPECT_FALSE(made.from_start);
  ASSERT_THAT(made.changed, SizeIs(2));
  EXPECT_NE(made.changed[1].handle, key) << "handles are each process's own";
  EXPECT_EQ(made.now, counter());

  const std::uint64_t number = made.changed[1].number;
  const std::uint64_t handle = made.changed[1].handle;
  wire::SignRequest sign = watcher.sign_request();
  sign.key = handle;
  EXPECT_EQ(watcher.get<wire::Signature>(Kind::sign, sign).value.size(), 64U);

  const std::uint64_t session =
      maker.get<wire::SessionName>(Kind::open_session, wire::OpenSessionRequest{true}).session;
  maker.get<wire::ObjectRecord>(
      Kind::set_attributes,
      wire::ChangeObjectRequest{session, key, {{CKA_LABEL, as_bytes("new")}}});
  const wire::ChangesAnswer renamed = changes(watcher, made.now);
  ASSERT_THAT(renamed.changed, SizeIs(1));
  EXPECT_EQ(renamed.changed[0].number, number);
  EXPECT_EQ(renamed.changed[0].handle, handle);

  maker.get<wire::Nothing>(Kind::destroy_object, wire::DestroyObjectRequest{session, key});
  const wire::ChangesAnswer gone = changes(watcher, renamed.now);
  EXPECT_THAT(gone.changed, IsEmpty());
  EXPECT_THAT(gone.removed, ElementsAre(number));
  EXPECT_EQ(gone.now, counter());
  const auto refused = watcher.call(Kind::sign, sign);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->rv, CKR_KEY_HANDLE_INVALID);
  munmap(memory, wire::kChangePageSize);
}

TEST_F(AgentDoorTest, ObjectsOfOneDoorAreSeenThroughTheOtherButForEd25519) {
  HostileAgent agent = enter();
  HostileClient client = p11kit_client();
  const std::uint64_t session = agent.open_session();
  const CK_SESSION_HANDLE client_session = client.open_session();
  const std::size_t before = count_objects(client, client_session);
  agent.generate(true);
  HostileClient later = p11kit_client();
  const CK_SESSION_HANDLE later_session = later.open_session();
  EXPECT_EQ(count_objects(later, later_session), before + 2);

  const CK_BBOOL yes = CK_TRUE;
  const ByteView token(&yes, 1);
  const auto pair = agent.get<wire::GenerateAnswer>(
      Kind::generate,
      wire::GenerateRequest{session,
                            CKM_EC_EDWARDS_KEY_PAIR_GEN,
                            {{CKA_EC_PARAMS, ec_params({CKK_EC_EDWARDS, 255})}, {CKA_TOKEN, token}},
                            {{CKA_TOKEN, token}}});
  wire::SignRequest sign{pair.private_key.handle, CKM_EDDSA, std::nullopt, as_bytes("message")};
  EXPECT_EQ(agent.get<wire::Signature>(Kind::sign, sign).value.size(), 64U);
  const Bytes big(1'000'000, 0x42);  // in many packets
  sign.input = big;
  EXPECT_EQ(agent.get<wire::Signature>(Kind::sign, sign).value.size(), 64U);
  HostileClient last = p11kit_client();
  const CK_SESSION_HANDLE last_session = last.open_session();
  EXPECT_EQ(count_objects(last, last_session), before + 2) << "Ed25519 is not shown";
  EXPECT_THAT(changes(agent, 0).changed, SizeIs(5));
}

TEST_F(AgentDoorTest, SessionKeysDieWithTheProcessesFirstLane) {
  HostileAgent witness = enter();
  witness.open_session();
  HostileAgent first = enter();
  const Bytes key = first.greet().lane_key;
  HostileAgent lane = enter();
  lane.greet(key);
  HostileAgent other = enter();
  other.open_session();
  other.generate();
  EXPECT_EQ(keys(witness), 1U);
  other.close();
  EXPECT_TRUE(eventually([&] { return keys(witness) == 0; }));
  // A lane's sessions and keys are the application's, and end with its first lane.
  const std::uint64_t session =
      lane.get<wire::SessionName>(Kind::open_session, wire::OpenSessionRequest{true}).session;
  const auto pair = first.get<wire::GenerateAnswer>(
      Kind::generate,
      wire::GenerateRequest{
          session, CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, ec_params({CKK_EC, 256})}}, {}});
  wire::SignRequest sign = lane.sign_request();
  sign.key = pair.private_key.handle;
  EXPECT_EQ(lane.get<wire::Signature>(Kind::sign, sign).value.size(), 64U);
  first.close();
  EXPECT_TRUE(lane.is_hung_up());
  EXPECT_TRUE(eventually([&] { return keys(witness) == 0; }));
}

TEST_F(AgentDoorTest, LanesOfOneProcessSignAtTheSameTime) {
  HostileAgent first = enter();
  const Bytes join = first.greet().lane_key;
  const std::uint64_t session =
      first.get<wire::SessionName>(Kind::open_session, wire::OpenSessionRequest{true}).session;
  const auto pair = first.get<wire::GenerateAnswer>(
      Kind::generate,
      wire::GenerateRequest{
          session, CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, ec_params({CKK_EC, 256})}}, {}});
  std::atomic<int> signatures{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      HostileAgent lane = enter();
      lane.greet(join);
      wire::SignRequest sign = lane.sign_request();
      sign.key = pair.private_key.handle;
      for (int k = 0; k < 50; ++k) {
        const auto answer = lane.call(Kind::sign, sign);
        if (answer && answer->rv == CKR_OK) ++signatures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(signatures, 8 * 50);
}

}  // namespace
}  // namespace mayfly::test
