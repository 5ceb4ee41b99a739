// The join of policies: whatever is joined, nothing gets wider.
#include "core/task_policy.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "core/task_limits.h"
#include "support/failure_of.h"

namespace mayfly {
namespace {

TEST(TaskLimitsTest, APolicyThatCanNotBeFoundIsNotLeftOut) {
  TaskLimits limits;
  EXPECT_EQ(test::failure_of([&] { static_cast<void>(limits.named_policy("ci")); }).rv(),
            CKR_ARGUMENTS_BAD);
  limits.find_policy = [](const std::string&) { return TaskPolicy{.max_keys = 1}; };
  EXPECT_EQ(limits.named_policy("ci").max_keys, 1U);
}

constexpr int kPolicies = 2'000;

/// Makes policies of few different values, so that they often agree in some of their limits.
class PolicyMaker {
 public:
  TaskPolicy make() {
    TaskPolicy policy;
    policy.strict_usage = flip();
    policy.login_required = flip();
    policy.grant_required = flip();
    if (flip()) {
      policy.mechanisms = {};
      for (const Mechanism& row : known_mechanisms()) {
        if (flip()) policy.mechanisms.insert(row);
      }
    }
    if (flip()) {
      policy.keys = {};
      for (const KeySpec& kind : known_key_specs()) {
        if (flip()) policy.keys.insert(kind);
      }
    }
    for (std::uint64_t* limit :
         {&policy.max_objects, &policy.max_keys, &policy.max_signatures, &policy.max_rate}) {
      if (flip()) *limit = number(3);
    }
    if (flip()) policy.max_ttl = std::chrono::seconds(1 + number(3));
    while (flip()) policy.openers.insert({{static_cast<uid_t>(number(3))}, {}});
    return policy;
  }

 private:
  bool flip() { return number(2) == 0; }
  std::uint64_t number(std::uint64_t below) { return random_() % below; }

  std::mt19937_64 random_{20'261'124};  // the same each time
};

bool admits(const TaskPolicy& policy, const Peer& peer) {
  return test::answer_of([&] { check_opener(policy, peer); }) == CKR_OK;
}

/// Whether all that `inner` allows, `outer` allows as well.
void expect_within(const TaskPolicy& inner, const TaskPolicy& outer) {
  EXPECT_TRUE(inner.strict_usage || !outer.strict_usage);
  EXPECT_TRUE(inner.login_required || !outer.login_required);
  EXPECT_TRUE(inner.grant_required || !outer.grant_required);
  for (const Mechanism& row : known_mechanisms()) {
    EXPECT_TRUE(outer.mechanisms.contains(row) || !inner.mechanisms.contains(row)) << row.name;
  }
  for (const KeySpec& kind : known_key_specs()) {
    EXPECT_TRUE(outer.keys.contains(kind) || !inner.keys.contains(kind)) << to_string(kind);
  }
  EXPECT_LE(inner.max_objects, outer.max_objects);
  EXPECT_LE(inner.max_keys, outer.max_keys);
  EXPECT_LE(inner.max_signatures, outer.max_signatures);
  EXPECT_LE(inner.max_rate, outer.max_rate);
  EXPECT_LE(inner.max_ttl, outer.max_ttl);
  for (uid_t user = 0; user < 4; ++user) {
    EXPECT_TRUE(admits(outer, {user, {}}) || !admits(inner, {user, {}})) << user;
  }
}

TEST(TaskPolicyJoin, IsNeverWiderThanEither) {
  PolicyMaker maker;
  for (int round = 0; round < kPolicies && !testing::Test::HasFailure(); ++round) {
    const TaskPolicy a = maker.make();
    const TaskPolicy b = maker.make();
    const TaskPolicy both = tighter(a, b);
    expect_within(both, a);
    expect_within(both, b);
  }
}

TEST(TaskPolicyJoin, IsNoTighterThanBothTogether) {
  PolicyMaker maker;
  for (int round = 0; round < kPolicies; ++round) {
    const TaskPolicy a = maker.make();
    const TaskPolicy b = maker.make();
    const TaskPolicy both = tighter(a, b);
    EXPECT_EQ(both.strict_usage, a.strict_usage || b.strict_usage);
    EXPECT_EQ(both.login_required, a.login_required || b.login_required);
    EXPECT_EQ(both.grant_required, a.grant_required || b.grant_required);
    for (const Mechanism& row : known_mechanisms()) {
      EXPECT_EQ(both.mechanisms.contains(row),
                a.mechanisms.contains(row) && b.mechanisms.contains(row));
    }
    for (const KeySpec& kind : known_key_specs()) {
      EXPECT_EQ(both.keys.contains(kind), a.keys.contains(kind) && b.keys.contains(kind));
    }
    EXPECT_EQ(both.max_objects, std::min(a.max_objects, b.max_objects));
    EXPECT_EQ(both.max_keys, std::min(a.max_keys, b.max_keys));
    EXPECT_EQ(both.max_signatures, std::min(a.max_signatures, b.max_signatures));
    EXPECT_EQ(both.max_rate, std::min(a.max_rate, b.max_rate));
    EXPECT_EQ(both.max_ttl, std::min(a.max_ttl, b.max_ttl));
    for (uid_t user = 0; user < 4; ++user) {
      EXPECT_EQ(admits(both, {user, {}}), admits(a, {user, {}}) && admits(b, {user, {}}));
    }
  }
}

TEST(TaskPolicyJoin, DoesNotCareForOrderGroupsOrRepetition) {
  PolicyMaker maker;
  for (int round = 0; round < kPolicies; ++round) {
    const TaskPolicy a = maker.make();
    const TaskPolicy b = maker.make();
    const TaskPolicy c = maker.make();
    EXPECT_EQ(tighter(a, b), tighter(b, a));
    EXPECT_EQ(tighter(a, tighter(b, c)), tighter(tighter(a, b), c));
    EXPECT_EQ(tighter(a, a), a);
    EXPECT_EQ(tighter(a, TaskPolicy{}), a) << "what forbids nothing changes nothing";
  }
}

TEST(TaskPolicyOpeners, EachRuleHasASay) {
  const PeerRule users{{1, 2}, {}};
  const PeerRule group{{}, {50}};
  TaskPolicy policy;
  EXPECT_TRUE(admits(policy, {9, {}})) << "without a rule anybody may";
  policy.openers = {users};
  EXPECT_TRUE(admits(policy, {2, {}}));
  EXPECT_FALSE(admits(policy, {9, {50}}));
  policy.openers = {users, group};
  EXPECT_FALSE(admits(policy, {2, {}}));
  EXPECT_FALSE(admits(policy, {9, {50}}));
  EXPECT_TRUE(admits(policy, {2, {50}}));
  EXPECT_EQ(test::answer_of([&] { check_opener(policy, {9, {}}); }), CKR_FUNCTION_REJECTED);
}

}  // namespace
}  // namespace mayfly
