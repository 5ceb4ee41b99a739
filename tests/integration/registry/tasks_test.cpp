#include <array>

#include "integration/registry/registry_test.h"

namespace mayfly::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using Tasks = RegistryTest;

TEST_P(Tasks, AreKnownAsTheyWereOpened) {
  const BrokerRecord self = broker();
  NewTask wanted = make_task(1, self);
  wanted.id = "b\xc3\xbcro \"'; -- $1 \\";
  const GrantUse grant = make_grant("jti");
  registry_->open_task(wanted, grant, "alice");
  const TaskRecord found = task(wanted.serial);
  EXPECT_EQ(found.id, wanted.id);
  EXPECT_EQ(found.agent, wanted.agent);
  EXPECT_EQ(found.parent, "");
  EXPECT_EQ(found.broker, self.id);
  EXPECT_EQ(found.deadline, wanted.deadline);
  EXPECT_EQ(found.grant, grant.name);
  EXPECT_EQ(found.state, TaskState::open);
  EXPECT_GT(found.opened, 1'700'000'000'000U);
  EXPECT_EQ(found.ended, 0U);
  EXPECT_FALSE(found.revocation_requested);
  const auto story = registry_->transitions(wanted.serial);
  ASSERT_THAT(story, SizeIs(1));
  EXPECT_EQ(story[0].from, std::nullopt);
  EXPECT_EQ(story[0].to, TaskState::open);
  EXPECT_EQ(story[0].actor, "alice");
  EXPECT_EQ(story[0].at, found.opened);
  EXPECT_THAT(registry_->transitions(digits(2)), IsEmpty());
}

TEST_P(Tasks, GrantOpensOneAndNoMore) {
  const BrokerRecord self = broker();
  registry_->open_task(make_task(1, self), make_grant("jti"), "tester");
  const auto again = [&](const GrantUse& grant) {
    return refusal_of([&] { registry_->open_task(make_task(2, self), grant, "tester"); });
  };
  EXPECT_EQ(again(make_grant("jti")), RegistryRefusal::grant_spent);
  GrantUse other_end = make_grant("jti");
  other_end.expires += 1'000;
  EXPECT_EQ(again(other_end), RegistryRefusal::grant_spent);
  registry_->move_task({digits(1), TaskState::closed, "done", "tester"});
  EXPECT_EQ(again(make_grant("jti")), RegistryRefusal::grant_spent);
  EXPECT_THAT(registry_->transitions(digits(2)), IsEmpty());
  EXPECT_EQ(again(make_grant("jti", "another issuer")), std::nullopt);
}

TEST_P(Tasks, SpentAnswersAsAnExpiredPin) {
  const BrokerRecord self = broker();
  registry_->open_task(make_task(1, self), make_grant("jti"), "tester");
  try {
    registry_->open_task(make_task(2, self), make_grant("jti"), "tester");
    FAIL() << "a grant opened two tasks";
  } catch (const RegistryRefused& refused) {
    EXPECT_EQ(refused.rv(), CKR_PIN_EXPIRED);
  }
}

TEST_P(Tasks, GrantOfLongAgoIsRefusedSinceItsUseMayBeForgotten) {
  const BrokerRecord self = broker();
  GrantUse old = make_grant("jti");
  old.expires = unix_now_s() - 24 * 3'600 - 5;
  EXPECT_EQ(refusal_of([&] { registry_->open_task(make_task(1, self), old, "tester"); }),
            RegistryRefusal::grant_expired);
  old.expires += 600;  // others judge whether it is expired
  EXPECT_EQ(refusal_of([&] { registry_->open_task(make_task(1, self), old, "tester"); }),
            std::nullopt);
}

TEST_P(Tasks, OpeningAgainIsTheSameAsOnce) {
  const BrokerRecord self = broker();
  const NewTask wanted = make_task(1, self);
  registry_->open_task(wanted, make_grant("jti"), "tester");
  registry_->open_task(wanted, make_grant("jti"), "tester");
  EXPECT_THAT(registry_->transitions(wanted.serial), SizeIs(1));
  EXPECT_EQ(fault_of([&] { registry_->open_task(wanted, make_grant("other"), "tester"); }),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault_of([&] { registry_->open_task(wanted, std::nullopt, "tester"); }),
            CKR_ARGUMENTS_BAD);
  registry_->move_task({wanted.serial, TaskState::closed, "done", "tester"});
  EXPECT_EQ(fault_of([&] { registry_->open_task(wanted, make_grant("jti"), "tester"); }),
            CKR_ARGUMENTS_BAD);
  // What was refused spent nothing.
  registry_->open_task(make_task(2, self), make_grant("other"), "tester");
}

TEST_P(Tasks, ManyAreMovedTogetherOrNone) {
  const BrokerRecord self = broker();
  for (const int number : {1, 2, 3}) open_task(number, self);
  registry_->move_task({digits(3), TaskState::closed, "done", "alice"});
  registry_->move_tasks({{digits(1), TaskState::active, "key", "bob"},
                         {digits(1), TaskState::expired, "late", "carol"},
                         {digits(3), TaskState::revoked, "too late", "bob"}});
  EXPECT_EQ(task(digits(1)).state, TaskState::expired);
  const auto story = registry_->transitions(digits(1));
  ASSERT_THAT(story, SizeIs(3));
  EXPECT_EQ(story[2].from, TaskState::active);
  EXPECT_EQ(story[2].cause, "late");
  EXPECT_EQ(story[2].actor, "carol");
  EXPECT_EQ(task(digits(3)).state, TaskState::closed);
  EXPECT_THAT(registry_->transitions(digits(3)), SizeIs(2));
  for (const TaskChange& bad : {TaskChange{digits(9), TaskState::closed, "c", "a"},
                                TaskChange{digits(2), TaskState::open, "c", "a"},
                                TaskChange{digits(2), TaskState::closed, "", "a"}}) {
    EXPECT_EQ(fault_of([&] {
                registry_->move_tasks({{digits(2), TaskState::active, "c", "a"}, bad});
              }),
              CKR_ARGUMENTS_BAD);
    EXPECT_EQ(task(digits(2)).state, TaskState::open);
  }
  registry_->move_tasks({});
}

TEST_P(Tasks, OfOneIdMayBeOpenInManyBrokers) {
  const BrokerRecord first = broker();
  const BrokerRecord second = broker();
  NewTask task = make_task(1, first);
  task.id = "same";
  registry_->open_task(task, std::nullopt, "tester");
  task.serial = digits(2);
  task.broker = second.id;
  registry_->open_task(task, std::nullopt, "tester");
  TaskFilter filter;
  filter.id = "same";
  EXPECT_THAT(serials(registry_->tasks(filter)), ElementsAre(digits(1), digits(2)));
}

TEST_P(Tasks, NeedARegisteredBroker) {
  EXPECT_EQ(refusal_of([&] { open_task(1, make_broker(*registry_)); }),
            RegistryRefusal::broker_is_gone);
}

TEST_P(Tasks, RefusedOpeningSpendsNoGrant) {
  const GrantUse grant = make_grant("jti");
  EXPECT_EQ(refusal_of([&] {
              registry_->open_task(make_task(1, make_broker(*registry_)), grant, "tester");
            }),
            RegistryRefusal::broker_is_gone);
  EXPECT_EQ(refusal_of([&] { registry_->open_task(make_task(1, broker()), grant, "tester"); }),
            std::nullopt);
}

/// Every pair of states, as the table has it.
TEST_P(Tasks, MoveByTheTableOnly) {
  const BrokerRecord self = broker();
  std::uint64_t number = 0;
  for (std::size_t from = 0; from < kTaskStates; ++from) {
    for (std::size_t to = 0; to < kTaskStates; ++to) {
      const std::string serial = open_task(++number, self).serial;
      const auto before = static_cast<TaskState>(from);
      const auto after = static_cast<TaskState>(to);
      if (before != TaskState::open) {
        ASSERT_TRUE(registry_->move_task({serial, before, "before", "tester"}));
      }
      const std::size_t lines = registry_->transitions(serial).size();
      bool moved = false;
      const CK_RV fault = fault_of([&] {
        moved = registry_->move_task({serial, after, "cause", "actor"});
      });
      EXPECT_EQ(moved, may_move(before, after)) << from << " to " << to;
      EXPECT_EQ(fault, moved || is_final(before) ? CKR_OK : CKR_ARGUMENTS_BAD);
      const auto story = registry_->transitions(serial);
      EXPECT_EQ(story.size(), lines + (moved ? 1 : 0));
      const TaskRecord found = task(serial);
      EXPECT_EQ(found.state, moved ? after : before);
      EXPECT_EQ(found.ended != 0, is_final(found.state));
      if (!moved) continue;
      EXPECT_EQ(story.back().from, before);
      EXPECT_EQ(story.back().to, after);
      EXPECT_EQ(story.back().cause, "cause");
      EXPECT_EQ(story.back().actor, "actor");
    }
  }
  EXPECT_EQ(number, 49U);
}

TEST_P(Tasks, TheKeyOfALedgerIsKeptAndTheFirstOneStays) {
  const BrokerRecord self = broker();
  const std::string early = open_task(1, self).serial;
  const std::string late = open_task(2, self).serial;
  EXPECT_TRUE(task(early).ledger_key.empty());
  registry_->move_task({early, TaskState::active, "its first key", "tester", Bytes(91, 1)});
  EXPECT_EQ(task(early).ledger_key, Bytes(91, 1));
  registry_->move_task({early, TaskState::closed, "done", "tester", Bytes(91, 2)});
  EXPECT_EQ(task(early).ledger_key, Bytes(91, 1));
  EXPECT_EQ(task(early).state, TaskState::closed);
  registry_->move_task({late, TaskState::active, "its first key", "tester"});
  EXPECT_TRUE(task(late).ledger_key.empty());
  registry_->move_task({late, TaskState::closed, "done", "tester", Bytes(91, 2)});
  EXPECT_EQ(task(late).ledger_key, Bytes(91, 2));
  EXPECT_EQ(fault_of([&] {
              registry_->move_task({late, TaskState::closed, "done", "tester", Bytes(1'025, 1)});
            }),
            CKR_ARGUMENTS_BAD);
}

TEST_P(Tasks, AreFoundByTheHostOfTheirBroker) {
  BrokerRecord elsewhere = make_broker(*registry_);
  elsewhere.host = std::string(kHostDigits, 'e');
  registry_->register_broker(elsewhere, kLongLease);
  const std::string here = open_task(1, broker()).serial;
  const std::string there = open_task(2, elsewhere).serial;
  TaskFilter filter;
  filter.host = registry_->host();
  EXPECT_THAT(serials(registry_->tasks(filter)), ElementsAre(here));
  filter.host = elsewhere.host;
  EXPECT_THAT(serials(registry_->tasks(filter)), ElementsAre(there));
}

TEST_P(Tasks, UnknownOneCantMove) {
  EXPECT_EQ(fault_of([&] {
              registry_->move_task({digits(1), TaskState::closed, "c", "a"});
            }),
            CKR_ARGUMENTS_BAD);
}

TEST_P(Tasks, AreFoundByWhatIsAsked) {
  const BrokerRecord first = broker();
  const BrokerRecord second = broker();
  open_task(1, first);
  NewTask other = make_task(2, second);
  other.agent = "bob";
  registry_->open_task(other, std::nullopt, "tester");
  open_task(3, second, digits(2));
  registry_->move_task({digits(1), TaskState::closed, "done", "tester"});
  const auto found = [&](auto change) {
    TaskFilter filter;
    change(filter);
    return serials(registry_->tasks(filter));
  };
  EXPECT_THAT(found([](TaskFilter&) {}), ElementsAre(digits(2), digits(3)));
  EXPECT_THAT(found([](TaskFilter& f) { f.ended_too = true; }),
              ElementsAre(digits(1), digits(2), digits(3)));
  EXPECT_THAT(found([](TaskFilter& f) { f.agent = "bob"; }), ElementsAre(digits(2)));
  EXPECT_THAT(found([&](TaskFilter& f) { f.broker = first.id; }), IsEmpty());
  EXPECT_THAT(found([](TaskFilter& f) { f.parent = digits(2); }), ElementsAre(digits(3)));
  EXPECT_THAT(found([](TaskFilter& f) { f.id = "task 3"; }), ElementsAre(digits(3)));
  EXPECT_THAT(found([](TaskFilter& f) { f.most = 1; }), ElementsAre(digits(2)));
  const std::uint64_t number = task(digits(2)).number;
  EXPECT_THAT(found([&](TaskFilter& f) { f.after = number; }), ElementsAre(digits(3)));
}

TEST_P(Tasks, StandBelowOthersThatLive) {
  const BrokerRecord self = broker();
  open_task(1, self);
  EXPECT_EQ(refusal_of([&] { open_task(2, self, digits(9)); }), RegistryRefusal::parent_is_gone);
  NewTask longer = make_task(2, self);
  longer.parent = digits(1);
  longer.deadline = task(digits(1)).deadline + 1;
  EXPECT_EQ(refusal_of([&] { registry_->open_task(longer, std::nullopt, "tester"); }),
            RegistryRefusal::outlives_parent);
  NewTask child = make_task(2, self);
  child.parent = digits(1);
  child.deadline = task(digits(1)).deadline;
  registry_->open_task(child, std::nullopt, "tester");
  registry_->move_task({digits(1), TaskState::closed, "done", "tester"});
  EXPECT_EQ(refusal_of([&] { open_task(3, self, digits(1)); }), RegistryRefusal::parent_is_gone);
}

TEST_P(Tasks, BelowOneAreGivenDeepestFirst) {
  const BrokerRecord self = broker();
  open_task(1, self);
  const auto below = [&](std::uint64_t number, std::uint64_t parent) {
    NewTask task = make_task(number, self);
    task.parent = digits(parent);
    task.deadline -= 100;
    registry_->open_task(task, std::nullopt, "tester");
  };
  below(2, 1);
  below(3, 2);
  below(4, 1);
  below(5, 3);
  below(6, 1);
  registry_->move_task({digits(6), TaskState::closed, "done", "tester"});
  EXPECT_THAT(serials(registry_->children(digits(1))),
              ElementsAre(digits(5), digits(3), digits(4), digits(2)));
  EXPECT_THAT(registry_->children(digits(5)), IsEmpty());
}

TEST_P(Tasks, EndOrdersTheEndOfAllBelow) {
  const BrokerRecord first = broker();
  const BrokerRecord second = broker();
  open_task(1, first);
  NewTask child = make_task(2, second);
  child.parent = digits(1);
  child.deadline -= 100;
  registry_->open_task(child, std::nullopt, "tester");
  child = make_task(3, first);
  child.parent = digits(2);
  child.deadline -= 200;
  registry_->open_task(child, std::nullopt, "tester");
  registry_->move_task({digits(1), TaskState::expired, "its deadline came", "broker"});
  ASSERT_THAT(registry_->revocations(second.id), SizeIs(1));
  EXPECT_EQ(registry_->revocations(second.id)[0].serial, digits(2));
  EXPECT_THAT(registry_->revocations(second.id)[0].reason, testing::HasSubstr("its deadline came"));
  ASSERT_THAT(registry_->revocations(first.id), SizeIs(1));
  EXPECT_EQ(registry_->revocations(first.id)[0].serial, digits(3));
}

TEST_P(Tasks, AreCheckedBeforeTheyAreWritten) {
  const BrokerRecord self = broker();
  const auto refused = [&](auto change) {
    NewTask task = make_task(1, self);
    change(task);
    return fault_of([&] { registry_->open_task(task, std::nullopt, "tester"); }) ==
           CKR_ARGUMENTS_BAD;
  };
  EXPECT_TRUE(refused([](NewTask& t) { t.serial = "1"; }));
  EXPECT_TRUE(refused([](NewTask& t) { t.serial = "000000000000000G"; }));
  EXPECT_TRUE(refused([](NewTask& t) { t.id = ""; }));
  EXPECT_TRUE(refused([](NewTask& t) { t.id.assign(256, 'x'); }));
  EXPECT_TRUE(refused([](NewTask& t) { t.id = std::string("a\0b", 3); }));
  EXPECT_TRUE(refused([](NewTask& t) { t.id = "\xff"; }));
  EXPECT_TRUE(refused([](NewTask& t) { t.agent.assign(256, 'x'); }));
  EXPECT_TRUE(refused([](NewTask& t) { t.parent = "above"; }));
  EXPECT_TRUE(refused([](NewTask& t) { t.broker = ""; }));
  EXPECT_TRUE(refused([](NewTask& t) { t.deadline = ~0ULL; }));
  const auto grant_refused = [&](const GrantUse& grant) {
    return fault_of([&] { registry_->open_task(make_task(1, self), grant, "tester"); }) ==
           CKR_ARGUMENTS_BAD;
  };
  EXPECT_TRUE(grant_refused(make_grant("")));
  EXPECT_TRUE(grant_refused(make_grant("jti", "")));
  EXPECT_TRUE(grant_refused(make_grant(std::string(256, 'x'))));
  EXPECT_TRUE(grant_refused({{"boss", "jti"}, ~0ULL}));
  EXPECT_EQ(fault_of([&] { registry_->open_task(make_task(1, self), std::nullopt, ""); }),
            CKR_ARGUMENTS_BAD);
  const std::string serial = open_task(1, self).serial;
  EXPECT_EQ(fault_of([&] {
              registry_->move_task({serial, TaskState::closed, "", "a"});
            }),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault_of([&] {
              registry_->move_task({serial, TaskState::closed, std::string(1'025, 'x'), "a"});
            }),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault_of([&] {
              registry_->move_task({serial, TaskState::closed, "two\nlines", "a"});
            }),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(task(serial).state, TaskState::open);
}

MAYFLY_ON_EVERY_DATABASE(Tasks);

}  // namespace
}  // namespace mayfly::test
