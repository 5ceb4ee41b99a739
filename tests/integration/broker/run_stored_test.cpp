// Keys that the device stores: whatever is killed, they are destroyed there.
#include <csignal>

#include <gmock/gmock.h>

#include "integration/broker/mayfly_run.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;

class RunStored : public testing::Test {
 protected:
  std::size_t keys_on_device() {
    return home_.token().count_objects(CKO_PRIVATE_KEY) +
           home_.token().count_objects(CKO_PUBLIC_KEY);
  }

  BrokerHome home_{"", BrokerHome::Keys::stored};
};

TEST_F(RunStored, TheEndDestroysTheKeys) {
  const Outcome outcome = run_script(home_, "t", client("generate") + " && " + client("count"));
  EXPECT_EQ(outcome.output, "1\n") << outcome.errors;
  EXPECT_EQ(keys_on_device(), 0U);
}

TEST_F(RunStored, AKilledWorkersKeysAreDestroyedWhileTheCommandGoesOn) {
  MayflyRun run(home_, "t", {"/bin/sh", "-c", client("generate") + "; echo up; sleep 600"});
  ASSERT_TRUE(run.says("up")) << run.errors();
  EXPECT_EQ(keys_on_device(), 2U);
  kill(run.worker(), SIGKILL);
  EXPECT_TRUE(eventually([&] {
    return run.errors().find("what task t had left on the device is destroyed") !=
           std::string::npos;
  })) << run.errors();
  EXPECT_EQ(keys_on_device(), 0U);
  run.send(SIGTERM);
  EXPECT_EQ(run.wait().wait_status, SIGTERM);
}

TEST_F(RunStored, TheGuardianDestroysWhatAKilledSupervisorsWorkerLeft) {
  MayflyRun run(home_, "t", {"/bin/sh", "-c", client("generate") + "; echo up; sleep 600"});
  ASSERT_TRUE(run.says("up")) << run.errors();
  kill(run.supervisor(), SIGKILL);
  const Outcome outcome = run.wait();
  EXPECT_EQ(outcome.wait_status, SIGKILL);
  EXPECT_THAT(outcome.errors, HasSubstr("what the task had left on the device is destroyed"));
  EXPECT_EQ(keys_on_device(), 0U);
}

TEST_F(RunStored, TheNextRunDestroysWhatEverybodysDeathLeft) {
  for (int round = 0; round < rounds() / 10; ++round) {
    MayflyRun run(home_, "t", {"/bin/sh", "-c", client("generate") + "; echo up; sleep 600"});
    ASSERT_TRUE(run.says("up")) << run.errors();
    const pid_t worker = run.worker();
    for (const int process : home_.processes()) kill(process, SIGKILL);
    run.wait();
    EXPECT_TRUE(eventually([&] { return kill(worker, 0) != 0; }));
    EXPECT_EQ(run_script(home_, "next", client("generate") + " && " + client("count")).output,
              "1\n");
    EXPECT_EQ(keys_on_device(), 0U);
  }
}

}  // namespace
}  // namespace mayfly::test
