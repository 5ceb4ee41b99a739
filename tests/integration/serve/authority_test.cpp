// Who may do what with a broker of many tasks.
#include <unistd.h>

#include <gmock/gmock.h>

#include "integration/serve/served_broker.h"
#include "tools/exit_status.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;

// Users need no entry in the machine's list, but who opens tasks for them looks there.
constexpr uid_t kNobody = 65'534;

class ServeAuthority : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(geteuid(), 0U) << "these tests change users, as root can"; }

  BrokerHome home_{serve_table("users = [" + std::to_string(kNobody) + "]\n")};
  ServedBroker broker_{home_};
};

TEST_F(ServeAuthority, AStrangerOpensListsAndEndsNothing) {
  const OpenedTask task = broker_.open("roots");
  EXPECT_EQ(broker_.mayfly_as(kStranger, {"open", "--task", "t"}).status, tools::kNotAllowed);
  EXPECT_EQ(broker_.mayfly_as(kStranger, {"list"}).out, "");
  EXPECT_EQ(broker_.mayfly_as(kStranger, {"list"}).status, 0);
  EXPECT_EQ(broker_.mayfly_as(kStranger, {"show", "--task", "roots"}).status, tools::kNoInput);
  EXPECT_EQ(broker_.mayfly_as(kStranger, {"show", "--serial", task.serial}).status,
            tools::kNoInput);
  EXPECT_EQ(broker_.mayfly_as(kStranger, {"close", "--task", "roots"}).status, tools::kNoInput);
  EXPECT_EQ(broker_.mayfly_as(kStranger, {"close", "--serial", task.serial}).status,
            tools::kNoInput);
  EXPECT_EQ(broker_.mayfly_as(kStranger, {"revoke", "--all", "--reason", "x"}).status,
            tools::kNotAllowed);
  EXPECT_THAT(broker_.list(), testing::SizeIs(1));
  EXPECT_THAT(home_.log(), HasSubstr("refused to open a task for user 54321"));
}

TEST_F(ServeAuthority, WhoMayOpenHasTasksOfHisOwnAndNoOthers) {
  static_cast<void>(broker_.open("shared name"));
  const Outcome opened = broker_.mayfly_as(kNobody, {"open", "--task", "shared name", "--json"});
  ASSERT_EQ(opened.status, 0) << opened.err;
  const OpenedTask task = read_opened(nlohmann::json::parse(opened.out));
  EXPECT_EQ(ServedBroker::client(task, "generate", kNobody).status, 0);
  const Outcome list = broker_.mayfly_as(kNobody, {"list", "--json"});
  EXPECT_EQ(nlohmann::json::parse(list.out).size(), 1U) << list.out;
  EXPECT_EQ(broker_.mayfly_as(kNobody, {"revoke", "--task", "shared name", "--reason", "x"}).status,
            tools::kNotAllowed);
  EXPECT_EQ(broker_.mayfly_as(kNobody, {"open", "--task", "t", "--user", "0"}).status,
            tools::kNotAllowed);
  EXPECT_EQ(broker_.mayfly_as(kNobody, {"close", "--task", "shared name"}).status, 0);
  EXPECT_THAT(broker_.list(), testing::SizeIs(1)) << "root's is still there";
}

TEST(ServeLimits, AUserHasSoManyTasksAndNoMore) {
  ASSERT_EQ(geteuid(), 0U) << "this test changes users, as root can";
  const BrokerHome home(
      serve_table("users = [" + std::to_string(kNobody) + "]\ntasks-per-user = 2\n"));
  const ServedBroker broker(home);
  const auto open = [&](uid_t user, const std::string& id) {
    return broker.mayfly_as(user, {"open", "--task", id});
  };
  EXPECT_EQ(open(kNobody, "a").status, 0);
  EXPECT_EQ(open(kNobody, "b").status, 0);
  const Outcome refused = open(kNobody, "c");
  EXPECT_EQ(refused.status, tools::kTryAgain);
  EXPECT_THAT(refused.err, HasSubstr("serve.tasks-per-user"));
  static_cast<void>(broker.open("another user's"));
  EXPECT_EQ(broker.mayfly_as(kNobody, {"close", "--task", "a"}).status, 0);
  EXPECT_EQ(open(kNobody, "c").status, 0);
}

TEST_F(ServeAuthority, OnlyTheTasksUserComesIn) {
  const Outcome opened = broker_.mayfly_as(kNobody, {"open", "--task", "t", "--json"});
  const OpenedTask task = read_opened(nlohmann::json::parse(opened.out));
  // Root gets as far as the socket, and no further; others not even there.
  EXPECT_NE(ServedBroker::client(task, "generate", 0).status, 0);
  EXPECT_NE(ServedBroker::agent(task, "generate").status, 0);
  EXPECT_NE(ServedBroker::client(task, "generate", kStranger).status, 0);
  EXPECT_THAT(broker_.children(), testing::IsEmpty()) << "no worker is started for them";
  EXPECT_EQ(ServedBroker::client(task, "generate", kNobody).status, 0);
  EXPECT_NE(ServedBroker::client(task, "count", 0).status, 0) << "nor is one let in later";
  EXPECT_NE(ServedBroker::client(task, "count", kStranger).status, 0);
  EXPECT_EQ(ServedBroker::client(task, "count", kNobody).out, "1\n");
}

TEST_F(ServeAuthority, AnOperatorOpensTasksForOthers) {
  const OpenedTask task = broker_.open("t", {"--user", std::to_string(kNobody)});
  EXPECT_EQ(ServedBroker::client(task, "generate", kNobody).status, 0);
  EXPECT_NE(ServedBroker::client(task, "generate", 0).status, 0);
  EXPECT_EQ(broker_.mayfly_as(kNobody, {"close", "--task", "t"}).status, 0);
}

TEST_F(ServeAuthority, APolicySaysForWhomATaskMayBeOpened) {
  home_.configure("file:" + home_.token().pin_file().string(),
                  serve_table("users = [65534]\n") + "[policy.roots]\nusers = [\"root\"]\n");
  broker_.send(SIGHUP);
  ASSERT_TRUE(eventually(
      [&] { return home_.log().find("configuration was read again") != std::string::npos; }));
  EXPECT_EQ(broker_.mayfly_as(kNobody, {"open", "--task", "t", "--policy", "roots"}).status,
            tools::kNotAllowed);
  EXPECT_EQ(broker_.mayfly({"open", "--task", "t", "--user", "65534", "--policy", "roots"}).status,
            tools::kNotAllowed);
  EXPECT_EQ(broker_.mayfly({"open", "--task", "t", "--policy", "roots"}).status, 0);
}

TEST(ServeOperators, OthersThanRootCanBeTold) {
  BrokerHome home{serve_table("operators = [54321]\n")};
  ServedBroker broker(home);
  static_cast<void>(broker.open("roots"));
  EXPECT_EQ(nlohmann::json::parse(broker.mayfly_as(kStranger, {"list", "--json"}).out).size(), 1U);
  EXPECT_EQ(broker.mayfly_as(kStranger, {"revoke", "--all", "--reason", "x"}).status, 0);
  EXPECT_THAT(broker.list(), testing::IsEmpty());
}

}  // namespace
}  // namespace mayfly::test
