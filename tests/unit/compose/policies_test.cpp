#include "compose/policies.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/failure_of.h"

namespace mayfly {
namespace {

using std::chrono::minutes;

Config some_config() {
  Config config;
  config.task.max_ttl = minutes(60);
  config.limits.max_objects = 77;
  config.policy.max_keys = 9;
  config.policy.max_signatures = 5;
  config.policy.users = {{1}};
  config.policy.mechanisms.emplace().insert(*find_mechanism(CKM_ECDSA));
  PolicyConfig& ci = config.named_policies["ci"];
  ci.max_keys = 2;
  ci.max_signatures = 50;
  ci.max_rate = 3;
  ci.max_ttl = minutes(90);
  ci.groups = {{50}};
  ci.keys.emplace().insert({CKK_EC, 256});
  ci.login_required = ci.grant_required = ci.strict_usage = true;
  return config;
}

TEST(TaskPolicyOfConfig, WithoutANameIsWhatHoldsForAll) {
  const TaskPolicy policy = task_policy(some_config(), "");
  TaskPolicy expected;
  expected.max_ttl = minutes(60);
  expected.max_objects = 77;
  expected.max_keys = 9;
  expected.max_signatures = 5;
  expected.openers = {{{1}, {}}};
  expected.mechanisms = {};
  expected.mechanisms.insert(*find_mechanism(CKM_ECDSA));
  EXPECT_EQ(policy, expected);
}

TEST(TaskPolicyOfConfig, ANameNarrowsAndNeverWidens) {
  const TaskPolicy policy = task_policy(some_config(), "ci");
  TaskPolicy expected = task_policy(some_config(), "");
  expected.max_keys = 2;
  expected.max_rate = 3;
  expected.openers = {{{1}, {}}, {{}, {50}}};
  expected.keys = {};
  expected.keys.insert({CKK_EC, 256});
  expected.login_required = expected.grant_required = expected.strict_usage = true;
  EXPECT_EQ(policy, expected);
}

TEST(TaskPolicyOfConfig, LoginRequiredOfAllTasksIsPartOfIt) {
  Config config;
  config.login.required = true;
  EXPECT_TRUE(task_policy(config, "").login_required);
}

TEST(TaskPolicyOfConfig, AnUnknownNameIsRefusedWithTheKnownOnes) {
  try {
    static_cast<void>(task_policy(some_config(), "cd"));
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.rv(), CKR_ARGUMENTS_BAD);
    EXPECT_NE(std::string(error.what()).find("there are: ci"), std::string::npos) << error.what();
  }
  EXPECT_EQ(test::answer_of([] { static_cast<void>(task_policy(Config(), "ci")); }),
            CKR_ARGUMENTS_BAD);
}

}  // namespace
}  // namespace mayfly
