#include "tools/serve/living_tasks.h"

#include <gtest/gtest.h>

namespace mayfly::serve {
namespace {

using Added = LivingTasks::Added;

class LivingTasksTest : public testing::Test {
 protected:
  LivingTasksTest() {
    tasks_.add("honest", 1);
    tasks_.add("hostile", 2);
    EXPECT_EQ(tasks_.add_key("honest", "key"), Added::yes);
  }

  LivingTasks tasks_;
};

TEST_F(LivingTasksTest, AKeyIsOfOneTask) {
  EXPECT_EQ(tasks_.add_key("honest", "key"), Added::no);
  EXPECT_EQ(tasks_.add_key("hostile", "key"), Added::is_others);
  EXPECT_EQ(tasks_.add_key("unknown", "other"), Added::no);
}

TEST_F(LivingTasksTest, NoTaskHasAnothersKeyTakenForDead) {
  static_cast<void>(tasks_.add_key("hostile", "key"));
  EXPECT_FALSE(tasks_.remove_key("hostile", "key"));
  EXPECT_TRUE(tasks_.remove("hostile")->keys.empty());
  EXPECT_TRUE(tasks_.remove_key("honest", "key"));
  EXPECT_FALSE(tasks_.remove_key("honest", "key"));
}

TEST_F(LivingTasksTest, ATasksKeysGoWithIt) {
  const auto gone = tasks_.remove("honest");
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->place, 1U);
  EXPECT_EQ(gone->keys, std::set<std::string>{"key"});
  EXPECT_FALSE(tasks_.remove("honest").has_value());
  EXPECT_FALSE(tasks_.remove_key("honest", "key"));
}

}  // namespace
}  // namespace mayfly::serve
