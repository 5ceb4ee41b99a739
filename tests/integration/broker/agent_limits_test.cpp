// What the task's own door takes depends on the task's device.
#include <atomic>
#include <barrier>
#include <future>
#include <sys/socket.h>
#include <thread>

#include <gtest/gtest.h>

#include "core/task_table.h"
#include "integration/broker/hostile_agent.h"
#include "support/temp_folder.h"
#include "tools/broker/agent_door.h"
#include "tools/broker/child_tasks.h"
#include "tools/broker/runtime_folder.h"
#include "unit/core/fake_device.h"

namespace mayfly::broker {
namespace {

using test::HostileAgent;
using wire::Kind;

/// The fake device signs digests only, unless it is told otherwise.
class DigestDevice final : public test::FakeDevice {
 public:
  [[nodiscard]] SignInput sign_input(Scheme scheme, Hash hash) const noexcept override {
    if (scheme == Scheme::eddsa && takes_messages) return SignInput::message;
    return FakeDevice::sign_input(scheme, hash);
  }
  bool takes_messages = false;
};

class AgentLimitsTest : public testing::TestWithParam<bool> {};

TEST_P(AgentLimitsTest, ALongSignIsTakenOnlyWhereADeviceTakesMessages) {
  DigestDevice device;
  device.takes_messages = GetParam();
  TaskTable tasks(device, {}, nullptr);
  const auto task = tasks.open({"t", std::chrono::minutes(5)});
  ConnectionSet connections({.connections = 4});
  ChildTasks children(tasks, 4, connections);
  AgentDoor door(tasks, task, 4, children);

  const test::TempFolder folder;
  const auto path = folder.path() / "door";
  const Descriptor listening = listen_at(path, SOCK_SEQPACKET, 0600);
  HostileAgent agent(path);
  const Descriptor theirs(accept4(listening.number(), nullptr, nullptr, SOCK_CLOEXEC));
  auto served = std::async(std::launch::async, [&] {
    return door.serve(theirs.number(), {getpid(), 0, 0});
  });
  agent.greet();
  const Bytes part(60'000, 1);
  const auto sign = static_cast<std::uint8_t>(Kind::sign);
  ASSERT_TRUE(agent.send(HostileAgent::packet(sign, part, true)));
  ASSERT_TRUE(agent.send(HostileAgent::packet(sign, part, true)));
  if (GetParam()) {
    // Nonsense, but to be told so only when all of it is there.
    ASSERT_TRUE(agent.send(HostileAgent::packet(sign, part, false)));
  }
  const std::string why = served.get();
  if (GetParam()) {
    EXPECT_EQ(why.find("bytes of its kind"), std::string::npos) << why;
  } else {
    EXPECT_NE(why.find("bytes of its kind"), std::string::npos) << why;
  }
  static_cast<void>(tasks.end_all(TaskState::closed));
}

// However many ask at the same time.
TEST(ChildTasksTest, AreNeverMoreThanTheMost) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const auto task = tasks.open({"t", std::chrono::minutes(5)});
  ConnectionSet connections({.connections = 4});
  ChildTasks children(tasks, 4, connections);
  std::vector<std::shared_ptr<ChildTask>> held;
  const auto open = [&](std::size_t number) {
    return children.open({"child " + std::to_string(number), std::nullopt}, task);
  };
  while (held.size() + 1 < ChildTasks::kMost) held.push_back(open(held.size()));
  constexpr std::size_t kAtOnce = 16;
  std::barrier start(kAtOnce);
  std::atomic<std::size_t> opened = 0;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kAtOnce; ++i) {
      threads.emplace_back([&, i] {
        start.arrive_and_wait();
        try {
          static_cast<void>(open(ChildTasks::kMost + i));
          ++opened;
        } catch (const Error& error) {
          EXPECT_EQ(error.rv(), CKR_SESSION_COUNT);
        }
      });
    }
  }
  EXPECT_EQ(opened, 1);
  static_cast<void>(tasks.end_all(TaskState::closed));
}

// It would be open for as long as the task above lives, and one more with each child.
TEST(ChildTasksTest, NoSocketIsServedForOneThatHasEnded) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const auto task = tasks.open({"t", std::chrono::minutes(5)});
  ConnectionSet connections({.connections = 4});
  ChildTasks children(tasks, 4, connections);
  const auto child = children.open({"child", std::nullopt}, task);
  const test::TempFolder folder;
  static_cast<void>(child->end(TaskState::closed));
  static_cast<void>(children.expire_due(BootClock::now()));
  EXPECT_THROW(children.add_door(child, ChildTasks::DoorKind::agents,
                                 listen_at(folder.path() / "door", SOCK_SEQPACKET, 0600)),
               Error);
  static_cast<void>(tasks.end_all(TaskState::closed));
}

INSTANTIATE_TEST_SUITE_P(Device, AgentLimitsTest, testing::Bool(), [](const auto& instance) {
  return instance.param ? "TakesMessages" : "TakesDigests";
});

}  // namespace
}  // namespace mayfly::broker
