#include "base/task_state.h"

#include <set>
#include <utility>

#include <gtest/gtest.h>

namespace mayfly {
namespace {

/// Every change there is, as the design has it: a task gets keys once, and ends once.
const std::set<std::pair<TaskState, TaskState>> kLegal = {
    {TaskState::open, TaskState::active},    {TaskState::open, TaskState::closed},
    {TaskState::open, TaskState::expired},   {TaskState::open, TaskState::revoked},
    {TaskState::open, TaskState::exhausted}, {TaskState::open, TaskState::lost},
    {TaskState::active, TaskState::closed},  {TaskState::active, TaskState::expired},
    {TaskState::active, TaskState::revoked}, {TaskState::active, TaskState::exhausted},
    {TaskState::active, TaskState::lost},
};

TaskState state(std::size_t number) { return static_cast<TaskState>(number); }

TEST(TaskState, MovesAsTheDesignSaysAndNotOtherwise) {
  std::size_t pairs = 0;
  for (std::size_t from = 0; from < kTaskStates; ++from) {
    for (std::size_t to = 0; to < kTaskStates; ++to, ++pairs) {
      EXPECT_EQ(may_move(state(from), state(to)), kLegal.contains({state(from), state(to)}))
          << to_string(state(from)) << " to " << to_string(state(to));
    }
  }
  EXPECT_EQ(pairs, 49U);
}

TEST(TaskState, IsFinalUnlessOpenOrActive) {
  for (std::size_t number = 0; number < kTaskStates; ++number) {
    EXPECT_EQ(is_final(state(number)), number > 1) << to_string(state(number));
  }
}

TEST(TaskState, HasANameThatIsFoundAgain) {
  std::set<std::string_view> names;
  for (std::size_t number = 0; number < kTaskStates; ++number) {
    const std::string_view name = to_string(state(number));
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(find_task_state(name), state(number)) << name;
  }
  for (const char* name : {"", "Open", "open ", "dead", "unknown"}) {
    EXPECT_EQ(find_task_state(name), std::nullopt) << name;
  }
}

TEST(TaskState, WhatIsNoStateGoesNowhere) {
  const TaskState none = state(kTaskStates);
  EXPECT_STREQ(to_string(none), "unknown");
  EXPECT_FALSE(may_move(none, TaskState::closed));
  EXPECT_FALSE(may_move(TaskState::open, none));
}

}  // namespace
}  // namespace mayfly
