#include <csignal>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "integration/registry/registry_test.h"

namespace mayfly::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using Brokers = RegistryTest;

TEST_P(Brokers, AreRegisteredUntilTheyEnd) {
  const BrokerRecord first = broker();
  EXPECT_THAT(registry_->brokers(), ElementsAre(first));
  registry_->register_broker(first, kLongLease);
  EXPECT_THAT(registry_->brokers(), ElementsAre(first));
  registry_->end_broker(first.id, "tester");
  EXPECT_THAT(registry_->brokers(), IsEmpty());
  EXPECT_FALSE(registry_->renew_lease(first.id, kLongLease));
  EXPECT_EQ(fault_of([&] { registry_->register_broker(first, kLongLease); }), CKR_ARGUMENTS_BAD);
}

TEST_P(Brokers, IdIsNobodyElses) {
  const BrokerRecord first = broker();
  BrokerRecord thief = first;
  ++thief.process.pid;
  EXPECT_EQ(fault_of([&] { registry_->register_broker(thief, kLongLease); }), CKR_ARGUMENTS_BAD);
  EXPECT_THAT(registry_->brokers(), ElementsAre(first));
}

TEST_P(Brokers, AreCheckedBeforeTheyAreWritten) {
  BrokerRecord bad = make_broker(*registry_);
  bad.id = "ABCDEF0123456789";
  EXPECT_EQ(fault_of([&] { registry_->register_broker(bad, kLongLease); }), CKR_ARGUMENTS_BAD);
  bad = make_broker(*registry_);
  bad.host = "host";
  EXPECT_EQ(fault_of([&] { registry_->register_broker(bad, kLongLease); }), CKR_ARGUMENTS_BAD);
  bad = make_broker(*registry_);
  bad.process.boot = "x'; DROP TABLE broker; --";
  EXPECT_EQ(fault_of([&] { registry_->register_broker(bad, kLongLease); }), CKR_ARGUMENTS_BAD);
  EXPECT_THAT(registry_->brokers(), IsEmpty());
}

TEST_P(Brokers, WithALeaseAreLeftAlone) {
  const BrokerRecord self = broker();
  open_task(1, broker());
  EXPECT_THAT(registry_->take_over(self, TakeOverScope::lapsed), IsEmpty());
  EXPECT_EQ(task(digits(1)).state, TaskState::open);
}

TEST_P(Brokers, LateIsStillOneUntilItIsTakenOver) {
  const BrokerRecord late = broker(milliseconds(0));
  open_task(1, late);
  EXPECT_TRUE(registry_->renew_lease(late.id, kLongLease));
  EXPECT_THAT(registry_->take_over(broker(), TakeOverScope::lapsed), IsEmpty());
}

TEST_P(Brokers, LeaseRunsOutAndTasksAreLostWithIt) {
  const BrokerRecord self = broker();
  const BrokerRecord late = broker(milliseconds(0));
  open_task(1, late);
  registry_->move_task({digits(1), TaskState::active, "first key", "tester"});
  open_task(2, late);
  registry_->move_task({digits(2), TaskState::closed, "done", "tester"});
  open_task(3, late);
  open_task(4, self);
  registry_->add_stored_key({Bytes(32, 1), "label", "device", "task 1", digits(1)});
  registry_->add_stored_key({Bytes(32, 2), "label", "device", "task 4", digits(4)});
  wait_for_the_clock();

  const auto taken = registry_->take_over(self, TakeOverScope::lapsed);
  ASSERT_THAT(taken, SizeIs(1));
  EXPECT_EQ(taken[0].broker, late);
  EXPECT_THAT(serials(taken[0].tasks), ElementsAre(digits(1), digits(3)));
  ASSERT_THAT(taken[0].stored_keys, SizeIs(1));
  EXPECT_EQ(taken[0].stored_keys[0].task_serial, digits(1));
  EXPECT_EQ(task(digits(1)).state, TaskState::lost);
  EXPECT_EQ(task(digits(2)).state, TaskState::closed);
  EXPECT_EQ(task(digits(3)).state, TaskState::lost);
  EXPECT_EQ(task(digits(4)).state, TaskState::open);
  const auto story = registry_->transitions(digits(1));
  ASSERT_THAT(story, SizeIs(3));
  EXPECT_EQ(story[2].from, TaskState::active);
  EXPECT_EQ(story[2].to, TaskState::lost);
  EXPECT_EQ(story[2].cause, "its broker did not renew its lease");
  EXPECT_EQ(story[2].actor, "broker " + self.id);

  EXPECT_THAT(registry_->take_over(self, TakeOverScope::lapsed), IsEmpty());
  EXPECT_FALSE(registry_->renew_lease(late.id, kLongLease));
  EXPECT_EQ(refusal_of([&] { open_task(5, late); }), RegistryRefusal::broker_is_gone);
  EXPECT_EQ(
      refusal_of([&] { static_cast<void>(registry_->take_over(late, TakeOverScope::lapsed)); }),
      RegistryRefusal::broker_is_gone);
  EXPECT_FALSE(registry_->move_task({digits(1), TaskState::closed, "done", "tester"}));
}

TEST_P(Brokers, DeadProcessIsSeenBeforeItsLeaseIsOver) {
  const BrokerRecord self = make_broker(*registry_);
  registry_->register_broker(self, kLongLease);
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  BrokerRecord other = make_broker(*registry_);
  other.process.pid = static_cast<std::uint64_t>(child);
  std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
  std::string text;
  for (int field = 0; field < 22; ++field) stat >> text;
  other.process.started = std::stoull(text);
  registry_->register_broker(other, kLongLease);
  open_task(1, other);
  EXPECT_THAT(registry_->take_over(self, TakeOverScope::lapsed), IsEmpty());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  // On another machine nobody could know.
  BrokerRecord elsewhere = self;
  elsewhere.host = "0123456789ab";
  EXPECT_THAT(registry_->take_over(elsewhere, TakeOverScope::lapsed), IsEmpty());
  const auto taken = registry_->take_over(self, TakeOverScope::lapsed);
  ASSERT_THAT(taken, SizeIs(1));
  EXPECT_THAT(serials(taken[0].tasks), ElementsAre(digits(1)));
  EXPECT_EQ(registry_->transitions(digits(1)).back().cause, "its broker's process is dead");
}

TEST_P(Brokers, WhoseLeaseAloneIsOverAreNotTakenForDead) {
  const BrokerRecord self = broker();
  const BrokerRecord late = broker(milliseconds(0));
  open_task(1, late);
  wait_for_the_clock();
  EXPECT_THAT(registry_->take_over(self, TakeOverScope::dead), IsEmpty());
  EXPECT_THAT(registry_->take_over(self, TakeOverScope::dead_without_keys), IsEmpty());
  EXPECT_EQ(task(digits(1)).state, TaskState::open);
  EXPECT_TRUE(registry_->renew_lease(late.id, kLongLease));
}

TEST_P(Brokers, DeadOneIsLeftToWhoCanDestroyItsKeys) {
  BrokerRecord dead = make_broker(*registry_);
  ++dead.process.started;  // the number is another process's now
  registry_->register_broker(dead, kLongLease);
  open_task(1, dead);
  registry_->add_stored_key({Bytes(32, 1), "label", "device", "task 1", digits(1)});
  const BrokerRecord self = make_broker(*registry_);
  registry_->register_broker(self, kLongLease);
  const auto seen = registry_->take_over(self, TakeOverScope::dead_without_keys);
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_THAT(serials(seen[0].tasks), ElementsAre(digits(1)));
  EXPECT_THAT(seen[0].stored_keys, SizeIs(1));
  EXPECT_EQ(task(digits(1)).state, TaskState::lost);
  registry_->finish_take_over(self.id, dead.id);  // it is no heir
  EXPECT_THAT(registry_->take_over(self, TakeOverScope::dead_without_keys), IsEmpty());

  const BrokerRecord heir = broker();
  const auto taken = registry_->take_over(heir, TakeOverScope::dead);
  ASSERT_THAT(taken, SizeIs(1));
  EXPECT_EQ(taken[0].broker, dead);
  EXPECT_THAT(serials(taken[0].tasks), ElementsAre(digits(1)));
  EXPECT_THAT(taken[0].stored_keys, SizeIs(1));
  EXPECT_THAT(registry_->transitions(digits(1)), SizeIs(2)) << "it is lost once";
  registry_->finish_take_over(heir.id, dead.id);
  registry_->end_broker(heir.id, "tester");
  EXPECT_THAT(registry_->take_over(self, TakeOverScope::lapsed), IsEmpty());
}

TEST_P(Brokers, WhatAnHeirLeftIsInherited) {
  const BrokerRecord first = broker(milliseconds(0));
  open_task(1, first);
  const BrokerRecord heir = broker();
  wait_for_the_clock();
  ASSERT_THAT(registry_->take_over(heir, TakeOverScope::lapsed), SizeIs(1));
  const BrokerRecord last = broker();
  EXPECT_THAT(registry_->take_over(last, TakeOverScope::lapsed), IsEmpty());
  EXPECT_TRUE(registry_->renew_lease(heir.id, milliseconds(0)));
  wait_for_the_clock();
  const auto taken = registry_->take_over(last, TakeOverScope::lapsed);
  ASSERT_THAT(taken, SizeIs(2));  // the heir too, which had no tasks
  const TakenOver& old = taken[0].broker == first ? taken[0] : taken[1];
  EXPECT_EQ(old.broker, first);
  EXPECT_THAT(serials(old.tasks), ElementsAre(digits(1)));
  EXPECT_THAT(registry_->transitions(digits(1)), SizeIs(2));
  EXPECT_THAT(registry_->take_over(last, TakeOverScope::lapsed), IsEmpty());
  registry_->finish_take_over(last.id, first.id);
  registry_->finish_take_over(last.id, heir.id);
  registry_->end_broker(last.id, "tester");
  EXPECT_THAT(registry_->take_over(broker(), TakeOverScope::lapsed), IsEmpty());
}

TEST_P(Brokers, OnlyTheHeirCanFinish) {
  const BrokerRecord first = broker(milliseconds(0));
  const BrokerRecord heir = broker();
  wait_for_the_clock();
  ASSERT_THAT(registry_->take_over(heir, TakeOverScope::lapsed), SizeIs(1));
  const BrokerRecord other = broker();
  registry_->finish_take_over(other.id, first.id);
  registry_->end_broker(heir.id, "tester");
  EXPECT_THAT(registry_->take_over(other, TakeOverScope::lapsed), SizeIs(1));
}

TEST_P(Brokers, EndLeavesNoOpenTask) {
  const BrokerRecord first = broker();
  open_task(1, first);
  registry_->end_broker(first.id, "tester");
  EXPECT_EQ(task(digits(1)).state, TaskState::lost);
  registry_->end_broker(first.id, "tester");
  EXPECT_THAT(registry_->transitions(digits(1)), SizeIs(2));
}

TEST_P(Brokers, LostTaskTakesWhatIsBelowItElsewhere) {
  const BrokerRecord self = broker();
  const BrokerRecord late = broker(milliseconds(0));
  open_task(1, late);
  open_task(2, self, digits(1));
  wait_for_the_clock();
  ASSERT_THAT(registry_->take_over(self, TakeOverScope::lapsed), SizeIs(1));
  const auto orders = registry_->revocations(self.id);
  ASSERT_THAT(orders, SizeIs(1));
  EXPECT_EQ(orders[0].serial, digits(2));
  EXPECT_THAT(orders[0].reason, testing::HasSubstr("was lost"));
}

MAYFLY_ON_EVERY_DATABASE(Brokers);

/// Leases in a file run by the clock of a boot.
TEST(SqliteLeases, AreOverAfterARestart) {
  const RegistryPlace place(Backend::sqlite);
  const auto registry = place.open();
  const BrokerRecord before = make_broker(*registry);
  registry->register_broker(before, kLongLease);
  const BrokerRecord self = make_broker(*registry);
  registry->register_broker(self, kLongLease);
  EXPECT_THAT(registry->take_over(self, TakeOverScope::lapsed), IsEmpty());
  place.run("UPDATE broker SET lease_era = 'fedcba9876543210' WHERE id = '" + before.id + "'");
  EXPECT_THAT(registry->take_over(self, TakeOverScope::lapsed), SizeIs(1));
}

}  // namespace
}  // namespace mayfly::test
