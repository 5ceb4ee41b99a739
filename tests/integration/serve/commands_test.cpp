// What people do with a broker of many tasks.
#include <fstream>

#include <gmock/gmock.h>

#include "integration/serve/served_broker.h"
#include "tools/exit_status.h"

namespace mayfly::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

class ServeCommands : public testing::Test {
 protected:
  BrokerHome home_{serve_table() + "[policy.few]\nmax-signatures = 1\nmax-ttl = \"1m\"\n"};
  ServedBroker broker_{home_};
};

TEST_F(ServeCommands, OpenPrintsVariablesThatAShellTakes) {
  const Outcome opened = broker_.mayfly({"open", "--task", "it's one"});
  ASSERT_EQ(opened.status, 0) << opened.err;
  const Outcome shell =
      run({"/bin/sh", "-c",
           opened.out + "\n" MAYFLY_TEST_CLIENT
                        " \"$MAYFLY_PKCS11_MODULE\" \"$MAYFLY_TASK_ID\" generate && "
                        "test -S \"$MAYFLY_SOCKET\" && echo \"$MAYFLY_TASK_SERIAL\""});
  EXPECT_EQ(shell.status, 0) << shell.out << shell.err << opened.out;
  EXPECT_EQ(broker_.ask({"list"}).at(0).at("serial").get<std::string>() + "\n", shell.out);
}

TEST_F(ServeCommands, ATaskHasNoProcessBeforeSomebodyConnectsToIt) {
  const OpenedTask one = broker_.open("one");
  const OpenedTask two = broker_.open("two");
  EXPECT_THAT(broker_.list(), UnorderedElementsAre(Pair("one", "open"), Pair("two", "open")));
  EXPECT_THAT(broker_.children(), testing::IsEmpty());
  EXPECT_EQ(ServedBroker::client(one, "generate").status, 0);
  EXPECT_THAT(broker_.children(), testing::SizeIs(1));
  EXPECT_EQ(ServedBroker::agent(two, "generate").status, 0);
  EXPECT_THAT(broker_.children(), testing::SizeIs(2));
  EXPECT_THAT(broker_.list(), UnorderedElementsAre(Pair("one", "active"), Pair("two", "active")));
  EXPECT_EQ(ServedBroker::agent(one, "count").out, "1\n") << "the door after the socket";
  EXPECT_EQ(ServedBroker::client(two, "count").out, "1\n") << "the socket after the door";
}

TEST_F(ServeCommands, CloseDestroysTheKeysAndTakesTheSocketsAway) {
  const OpenedTask task = broker_.open("t");
  ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
  ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
  const auto answer = broker_.ask({"close", "--task", "t"});
  EXPECT_EQ(answer.at("destroyed"), 2);
  EXPECT_EQ(answer.at("pending"), 0);
  EXPECT_EQ(answer.at("tasks").at(0).at("state"), "closed");
  EXPECT_FALSE(std::filesystem::exists(task.socket()));
  EXPECT_FALSE(std::filesystem::exists(task.door));
  EXPECT_FALSE(std::filesystem::exists(task.socket().parent_path()));
  EXPECT_THAT(broker_.list(), testing::IsEmpty());
  EXPECT_TRUE(eventually([&] { return broker_.children().empty(); }));
  EXPECT_EQ(broker_.mayfly({"close", "--task", "t"}).status, tools::kNoInput);
}

TEST_F(ServeCommands, AnIdIsFreeAgainWhenItsTaskHasEnded) {
  const OpenedTask first = broker_.open("t");
  EXPECT_EQ(broker_.mayfly({"open", "--task", "t"}).status, tools::kTaskExists);
  EXPECT_EQ(broker_.mayfly({"close", "--serial", first.serial}).status, 0);
  EXPECT_NE(broker_.open("t").serial, first.serial);
}

TEST_F(ServeCommands, RefusesWhatNoTaskCanBe) {
  EXPECT_EQ(broker_.mayfly({"open", "--task", ""}).status, tools::kBadTaskId);
  EXPECT_EQ(broker_.mayfly({"open", "--task", "a\nb"}).status, tools::kBadTaskId);
  EXPECT_EQ(broker_.mayfly({"open", "--task", std::string(256, 'x')}).status, tools::kBadTaskId);
  EXPECT_EQ(broker_.mayfly({"open", "--task", "t", "--ttl", "25h"}).status, tools::kBadTtl);
  EXPECT_EQ(broker_.mayfly({"open", "--task", "t", "--ttl", "2m", "--policy", "few"}).status,
            tools::kBadTtl);
  EXPECT_EQ(broker_.mayfly({"open", "--task", "t", "--policy", "none"}).status, tools::kBadPolicy);
  EXPECT_EQ(broker_.mayfly({"open", "--task", "t", "--user", "no such user"}).status,
            tools::kUsage);
  const auto grant = std::filesystem::path(home_.folder() / "grant");
  std::ofstream(grant) << "no.grant.here\n";
  std::filesystem::permissions(grant, std::filesystem::perms(0644));
  EXPECT_EQ(broker_.mayfly({"open", "--task", "t", "--grant", grant.string()}).status,
            tools::kNoInput)
      << "others could read it";
  std::filesystem::permissions(grant, std::filesystem::perms(0600));
  EXPECT_NE(broker_.mayfly({"open", "--task", "t", "--grant", grant.string()}).status, 0);
  EXPECT_THAT(broker_.list(), testing::IsEmpty());
  EXPECT_EQ(broker_.open("t").id, "t") << "and nothing of it stays behind";
}

TEST_F(ServeCommands, APolicyHoldsAndATaskEndsWhenItsLastSignatureIsMade) {
  const OpenedTask task = broker_.open("t", {"--policy", "few"});
  // The client signs once when it holds.
  EXPECT_NE(ServedBroker::client(task, "sign-on").status, 0);
  EXPECT_TRUE(eventually([&] { return broker_.list().empty(); }));
  EXPECT_THAT(home_.log(), HasSubstr("task t ended (exhausted), 1 keys destroyed"));
  EXPECT_TRUE(eventually([&] { return broker_.children().empty(); }));
}

TEST_F(ServeCommands, RevokeEndsExactlyTheTasksThatAreMeant) {
  const OpenedTask a = broker_.open("a");
  const OpenedTask b = broker_.open("b");
  const OpenedTask c = broker_.open("c");
  ASSERT_EQ(ServedBroker::client(a, "generate").status, 0);
  auto answer = broker_.ask({"revoke", "--task", "a", "--reason", "stolen"});
  EXPECT_EQ(answer.at("destroyed"), 1);
  EXPECT_EQ(answer.at("tasks").at(0).at("state"), "revoked");
  EXPECT_THAT(broker_.list(), UnorderedElementsAre(Pair("b", "open"), Pair("c", "open")));
  answer = broker_.ask({"revoke", "--serial", b.serial, "--reason", "stolen"});
  EXPECT_EQ(answer.at("tasks").at(0).at("task"), "b");
  EXPECT_THAT(broker_.list(), ElementsAre(Pair("c", "open")));
  answer = broker_.ask({"revoke", "--agent", "somebody", "--reason", "stolen"});
  EXPECT_THAT(answer.at("tasks"), testing::IsEmpty());
  EXPECT_THAT(broker_.list(), ElementsAre(Pair("c", "open")));
  answer = broker_.ask({"revoke", "--agent", "user 0", "--reason", "stolen"});
  EXPECT_EQ(answer.at("tasks").at(0).at("task"), "c");
  EXPECT_THAT(home_.log(), HasSubstr("revocation by user 0"));
  answer = broker_.ask({"revoke", "--task", "unknown", "--reason", "stolen"}, tools::kTryAgain);
  EXPECT_THAT(answer.at("problems").at(0).get<std::string>(), HasSubstr("no such task"));
}

TEST_F(ServeCommands, RevokeAllIsDoneWithinASecondAndSaysSo) {
  std::vector<std::unique_ptr<HoldingClient>> clients;
  for (const char* id : {"a", "b", "c"}) {
    clients.push_back(std::make_unique<HoldingClient>(broker_.open(id)));
  }
  static_cast<void>(broker_.open("idle"));
  const auto start = std::chrono::steady_clock::now();
  const auto answer = broker_.ask({"revoke", "--all", "--reason", "drill"});
  const auto taken = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(answer.at("tasks").size(), 4U);
  EXPECT_EQ(answer.at("destroyed"), 3);
  EXPECT_THAT(broker_.list(), testing::IsEmpty());
  std::cout << "revoked after "
            << std::chrono::duration_cast<std::chrono::milliseconds>(taken).count() << " ms\n";
  EXPECT_LT(taken, std::chrono::seconds(10)) << "1 s where the machine does nothing else";
}

TEST_F(ServeCommands, SayWhenNoBrokerServes) {
  EXPECT_EQ(broker_.stop(), 0);
  for (const char* command : {"list"}) {
    EXPECT_EQ(broker_.mayfly({command}).status, tools::kDeviceMissing);
  }
  const Outcome outcome = broker_.mayfly({"open", "--task", "t"});
  EXPECT_EQ(outcome.status, tools::kDeviceMissing);
  EXPECT_THAT(outcome.err, HasSubstr("start one: mayfly serve"));
}

}  // namespace
}  // namespace mayfly::test
