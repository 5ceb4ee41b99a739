#include "base/peer.h"

#include <unistd.h>

#include <gtest/gtest.h>

namespace mayfly {
namespace {

TEST(PeerRule, AdmitsItsUsersAndWhoeverIsInItsGroups) {
  const PeerRule rule{{1000, 1001}, {50}};
  EXPECT_TRUE(rule.admits({1000, {}}));
  EXPECT_TRUE(rule.admits({1001, {7}}));
  EXPECT_TRUE(rule.admits({2000, {7, 50}}));
  EXPECT_FALSE(rule.admits({2000, {7}}));
  EXPECT_FALSE(rule.admits({50, {1000}})) << "a user's number is no group's";
  EXPECT_FALSE(PeerRule{}.admits({0, {0}})) << "a rule without names admits nobody, root neither";
}

TEST(Peer, SelfIsWhomThisProcessActsFor) {
  const Peer self = Peer::self();
  EXPECT_EQ(self.user, geteuid());
  EXPECT_TRUE(self.groups.contains(getegid()));
  EXPECT_GE(static_cast<int>(self.groups.size()), getgroups(0, nullptr));
}

}  // namespace
}  // namespace mayfly
