// Where a process that loads the module finds its task.
#include "compose/start_options.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/error.h"

namespace mayfly::test {
namespace {

class StartOptionsTest : public testing::Test {
 protected:
  static constexpr const char* kVariables[] = {"MAYFLY_TASK", "MAYFLY_TTL", "MAYFLY_POLICY",
                                               "MAYFLY_SOCKET", "MAYFLY_LOG"};
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }
  static void clear() {
    for (const char* name : kVariables) unsetenv(name);
  }
  static void set(const char* name, const char* value) { setenv(name, value, 1); }
  static CK_RV answer(const std::string& reserved) {
    try {
      static_cast<void>(StartOptions::read(reserved));
      return CKR_OK;
    } catch (const Error& error) {
      return error.rv();
    }
  }
};

TEST_F(StartOptionsTest, ABrokerIsNamedInThreeWays) {
  EXPECT_EQ(StartOptions::read("broker='/run/a b/door'").broker, "/run/a b/door");
  set("MAYFLY_SOCKET", "/run/door");
  EXPECT_EQ(StartOptions::read("").broker, "/run/door");
  EXPECT_EQ(StartOptions::read("broker=/run/other").broker, "/run/other");
  EXPECT_EQ(StartOptions::read("").load_config().broker.socket, "/run/door");
}

TEST_F(StartOptionsTest, PReservedGoesBeforeTheEnvironment) {
  set("MAYFLY_SOCKET", "/run/door");
  for (const char* own : {"task=a", "conf=/f", "ttl=5m", "policy=p", "task=''"}) {
    EXPECT_EQ(StartOptions::read(own).broker, "") << own;
  }
  EXPECT_EQ(StartOptions::read("task=a").task_id, "a");
  clear();
  set("MAYFLY_TASK", "a");
  set("MAYFLY_TTL", "5m");
  set("MAYFLY_POLICY", "strict");
  EXPECT_EQ(StartOptions::read("").policy, "strict");
  EXPECT_EQ(StartOptions::read("policy=ci").policy, "ci");
  const StartOptions options = StartOptions::read("broker=/run/door");
  EXPECT_EQ(options.broker, "/run/door");
  EXPECT_EQ(options.task_id, "");
  EXPECT_FALSE(options.ttl.has_value());
  EXPECT_EQ(options.policy, "");
}

TEST_F(StartOptionsTest, ABrokerAndATaskOfOnesOwnContradictEachOther) {
  for (const char* own : {"task=a", "conf=/f", "ttl=5m", "policy=p"}) {
    EXPECT_EQ(answer(std::string("broker=/run/door ") + own), CKR_ARGUMENTS_BAD) << own;
    EXPECT_EQ(answer(std::string(own) + " broker=/run/door"), CKR_ARGUMENTS_BAD) << own;
  }
  set("MAYFLY_SOCKET", "/run/door");
  set("MAYFLY_TASK", "a");
  EXPECT_EQ(answer(""), CKR_ARGUMENTS_BAD);
}

TEST_F(StartOptionsTest, AClientOfABrokerLogsFromALevelOn) {
  set("MAYFLY_SOCKET", "/run/door");
  EXPECT_EQ(StartOptions::read("").load_config().log.level, log::Level::warn);
  set("MAYFLY_LOG", "off");
  EXPECT_EQ(StartOptions::read("").load_config().log.level, log::Level::off);
  set("MAYFLY_LOG", "debug");
  EXPECT_EQ(StartOptions::read("").load_config().log.level, log::Level::debug);
  set("MAYFLY_LOG", "loud");
  EXPECT_THROW(static_cast<void>(StartOptions::read("").load_config()), Error);
}

}  // namespace
}  // namespace mayfly::test
