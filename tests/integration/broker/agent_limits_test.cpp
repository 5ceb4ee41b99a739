// What the task's own door takes depends on the task's device.
#include <future>
#include <sys/socket.h>
#include <sys/un.h>

#include <gtest/gtest.h>

#include "core/task_table.h"
#include "integration/broker/hostile_agent.h"
#include "support/temp_folder.h"
#include "tools/broker/agent_door.h"
#include "tools/broker/child_tasks.h"
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
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const Descriptor listening(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(listening.number(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listening.number(), 5), 0);

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

INSTANTIATE_TEST_SUITE_P(Device, AgentLimitsTest, testing::Bool(), [](const auto& instance) {
  return instance.param ? "TakesMessages" : "TakesDigests";
});

}  // namespace
}  // namespace mayfly::broker
