// mayfly's process is killed at every call that it makes to the device and at every write to its
// registry, before it and after it. The token is as good as before, a bystander's objects are all
// there, and no key is left.
#include <csignal>
#include <iostream>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "fault/registry_writes.h"
#include "fault/scenario.h"
#include "fault/thoroughness.h"

namespace mayfly::test {
namespace {

using Deed = CallScript::Deed;
using Plan = CallScript::Plan;
using When = CallScript::When;

class CrashPointTest : public testing::TestWithParam<KeyKeeping> {
 protected:
  /// Runs the scenario in a process of its own. @return its wait status.
  int run_in_child(const Plan& plan, const RegistryFault& registry_kill = {}) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);  // a child that hangs must not hang the test
      watch_registry_writes(registry_kill);
      device_.script().start(plan);
      const auto provider = device_.load_mayfly();
      Findings findings;
      Scenario(device_, *provider, findings, {.looks_at_device = false}).run();
      findings.report();
      _exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
  }

  /// The calls that mayfly makes to the device.
  unsigned count_calls() {
    device_.script().start({});
    const auto provider = device_.load_mayfly();
    Findings findings;
    Scenario(device_, *provider, findings, {.looks_at_device = false}).run();
    findings.report();
    return device_.script().calls();
  }

  void expect_clean_device(const std::string& when) {
    if (GetParam().keys_outlive_processes) count_calls();  // the next process reaps
    const KeyCount keys = device_.keys();
    EXPECT_EQ(keys.private_keys, 0U) << when;
    EXPECT_EQ(keys.public_keys, 0U) << when;
    EXPECT_TRUE(device_.bystander_unharmed()) << when;
  }

  FaultDevice device_{GetParam(), FaultDevice::Bystander::there};
};

TEST_P(CrashPointTest, LeavesNothingBehind) {
  const unsigned calls = count_calls();
  ASSERT_GT(calls, 50U);
  ASSERT_EQ(run_in_child({}), 0);
  unsigned points = 0;
  for (unsigned number = 1; number <= calls; ++number) {
    for (const When when : {When::before, When::after}) {
      if (!has_turn(number, when == When::before ? 0 : 1, 2)) continue;
      ++points;
      const int status =
          run_in_child({.first = number, .last = number, .deed = Deed::kill, .when = when});
      const std::string place =
          (when == When::before ? "before call " : "after call ") + std::to_string(number);
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "not killed " << place;
      expect_clean_device("killed " + place);
    }
  }
  // And a process that comes after all these finds a device that works.
  EXPECT_EQ(run_in_child({}), 0);
  std::cout << "killed at " << points << " points of " << calls << " calls\n";
}

class RegistryCrashTest : public CrashPointTest {};

TEST_P(RegistryCrashTest, LeavesNothingBehind) {
  count_calls();  // the registry is made
  watch_registry_writes({});
  count_calls();
  const unsigned writes = registry_writes();
  ASSERT_GT(writes, 20U);
  unsigned points = 0;
  for (unsigned number = 1; number <= writes; ++number) {
    for (const bool after : {false, true}) {
      if (!has_turn(number, after ? 1 : 0, 2)) continue;
      ++points;
      const int status = run_in_child({}, {number, after});
      const std::string place = (after ? "after write " : "before write ") + std::to_string(number);
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "not killed " << place;
      expect_clean_device("killed " + place);
    }
  }
  EXPECT_EQ(run_in_child({}), 0);
  std::cout << "killed at " << points << " points of " << writes << " writes\n";
}

INSTANTIATE_TEST_SUITE_P(Keys, RegistryCrashTest, testing::Values(kKeyKeepings[1]),
                         [](const auto& keeping) { return keeping.param.name; });
INSTANTIATE_TEST_SUITE_P(Keys, CrashPointTest, testing::ValuesIn(kKeyKeepings),
                         [](const auto& keeping) { return keeping.param.name; });

}  // namespace
}  // namespace mayfly::test
