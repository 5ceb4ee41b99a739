// Whatever is killed while agents sign through the task's own door, no key lives on.
#include <signal.h>
#include <sstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/broker/mayfly_run.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kSignOn = client("sign-on") + " & " + client("sign-on") + " & wait";

/// A command whose clients load libmayfly.so: there is no other door.
MayflyRun::Options only_our_door(std::vector<std::string> more = {}) {
  more.emplace_back("--module-only");
  return {std::move(more), [] {}};
}

int few_rounds() { return std::max(3, rounds() / 10); }

class AgentKill : public testing::Test {
 protected:
  static bool both_sign(const MayflyRun& run) {
    return eventually([&] {
      const std::string output = run.output();
      return output.find("signing") != output.rfind("signing");
    });
  }

  void TearDown() override {
    EXPECT_TRUE(eventually([&] { return home_.processes().empty(); }))
        << testing::PrintToString(home_.processes());
    const Outcome next =
        run_in_task(home_, "next", {"/bin/sh", "-c", client("generate") + " && " + client("count")},
                    only_our_door());
    EXPECT_EQ(next.output, "1\n") << next.errors;
    EXPECT_THAT(home_.run_folders(), IsEmpty());
  }

  const BrokerHome home_;
};

TEST_F(AgentKill, TheCommand) {
  for (int round = 0; round < few_rounds(); ++round) {
    MayflyRun run(home_, "t", {"/bin/sh", "-c", "echo $$; " + kSignOn}, only_our_door());
    ASSERT_TRUE(both_sign(run)) << run.errors() << run.output();
    pid_t command = 0;
    std::istringstream(run.output()) >> command;
    kill(command, SIGKILL);
    EXPECT_EQ(run.wait().wait_status, SIGKILL);
    EXPECT_THAT(home_.run_folders(), IsEmpty());
  }
  EXPECT_THAT(home_.log(), Not(HasSubstr("still owed")));
}

TEST_F(AgentKill, TheSupervisor) {
  for (int round = 0; round < 2; ++round) {
    MayflyRun run(home_, "t", {"/bin/sh", "-c", kSignOn}, only_our_door());
    ASSERT_TRUE(both_sign(run)) << run.errors() << run.output();
    kill(run.supervisor(), SIGKILL);
    EXPECT_EQ(run.wait().wait_status, SIGKILL);
    EXPECT_TRUE(eventually([&] { return home_.processes().empty(); }));
  }
}

TEST_F(AgentKill, TheGuardianAndTheSupervisor) {
  for (int round = 0; round < few_rounds(); ++round) {
    MayflyRun run(home_, "t", {"/bin/sh", "-c", kSignOn}, only_our_door());
    ASSERT_TRUE(both_sign(run)) << run.errors() << run.output();
    const pid_t supervisor = run.supervisor();
    kill(run.guardian(), SIGSTOP);  // so that it can't do anything in between
    kill(supervisor, SIGKILL);
    kill(run.guardian(), SIGKILL);
    EXPECT_EQ(run.wait().wait_status, SIGKILL);
    EXPECT_TRUE(eventually([&] { return home_.processes().empty(); }));
  }
}

TEST_F(AgentKill, TheWorker) {
  for (int round = 0; round < few_rounds(); ++round) {
    MayflyRun run(home_, "t", {"/bin/sh", "-c", kSignOn + "; " + client("slots") + "; exit 9"},
                  only_our_door());
    ASSERT_TRUE(both_sign(run)) << run.errors() << run.output();
    kill(run.worker(), SIGKILL);
    const Outcome outcome = run.wait();
    EXPECT_EQ(WEXITSTATUS(outcome.wait_status), 9);
    EXPECT_THAT(outcome.errors, HasSubstr("mayfly: task t is lost"));
    // Both clients are told that their token was taken away, and whoever comes later finds none.
    EXPECT_THAT(outcome.output, HasSubstr("C_Sign answered 50\n")) << "CKR_DEVICE_REMOVED";
    EXPECT_THAT(outcome.output, Not(HasSubstr("\n1\n")));
  }
}

TEST_F(AgentKill, AClientInTheMiddleOfASignature) {
  MayflyRun run(home_, "t",
                {"/bin/bash", "-c",
                 "for i in $(seq " + std::to_string(rounds()) + "); do " + client("sign-on") +
                     " > out & while ! grep -q signing out; do :; done; kill -9 $!; wait $!; "
                     "done 2> /dev/null; " +
                     client("count")},
                {{"--module-only"}, [&] { std::filesystem::current_path(home_.folder()); }});
  EXPECT_EQ(run.wait().output, "0\n");
  EXPECT_THAT(home_.log(), HasSubstr("task t ended (closed), 0 keys destroyed"));
}

TEST_F(AgentKill, TheDeadlineCutsOffWhoIsInTheMiddleOfSigning) {
  const Outcome outcome = run_in_task(
      home_, "t", {"/bin/sh", "-c", client("sign-on") + "; " + client("slots") + "; exit 6"},
      only_our_door({"--ttl=2s"}));
  EXPECT_EQ(WEXITSTATUS(outcome.wait_status), 6) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("signing\nclient: C_Sign"));
  // Its key may also have gone with the client, which is told at the same moment.
  EXPECT_THAT(home_.log(), HasSubstr("task t ended (expired), "));
  EXPECT_THAT(home_.log(), Not(HasSubstr("still owed")));
}

TEST_F(AgentKill, WithThisDoorOnlyThereIsNoOther) {
  const Outcome outcome = run_in_task(
      home_, "t",
      {"/bin/sh", "-c",
       "echo \"${P11_KIT_SERVER_ADDRESS:-none}\"; ls \"$(dirname \"$MAYFLY_SOCKET\")\""},
      only_our_door());
  EXPECT_EQ(outcome.output, "none\ndoor\nlibmayfly.module\nlock\n") << outcome.errors;
}

}  // namespace
}  // namespace mayfly::test
