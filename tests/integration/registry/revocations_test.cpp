#include "integration/registry/registry_test.h"

namespace mayfly::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using Kind = RevocationTarget::Kind;

class Revocations : public RegistryTest {
 protected:
  std::vector<std::string> revoke(const RevocationTarget& target) {
    std::vector<std::string> serials;
    for (const TaskRecord& task : registry_->request_revocation(target, "stolen", "admin")) {
      EXPECT_TRUE(task.revocation_requested);
      serials.push_back(task.serial);
    }
    return serials;
  }
  [[nodiscard]] std::vector<std::string> ordered(const BrokerRecord& broker) const {
    std::vector<std::string> serials;
    for (const RevocationOrder& order : registry_->revocations(broker.id)) {
      EXPECT_EQ(order.reason, "stolen");
      EXPECT_EQ(order.actor, "admin");
      serials.push_back(order.serial);
    }
    return serials;
  }
};

TEST_P(Revocations, AreOrderedUntilTheyAreObeyed) {
  const BrokerRecord self = broker();
  open_task(1, self);
  open_task(2, self);
  EXPECT_THAT(revoke({Kind::serial, digits(1), ""}), ElementsAre(digits(1)));
  EXPECT_THAT(ordered(self), ElementsAre(digits(1)));
  EXPECT_EQ(registry_->revocations(self.id)[0].task_id, "task 1");
  EXPECT_THAT(revoke({Kind::serial, digits(1), ""}), ElementsAre(digits(1)));
  EXPECT_TRUE(registry_->move_task({digits(1), TaskState::revoked, "stolen", "broker"}));
  EXPECT_THAT(ordered(self), IsEmpty());
  EXPECT_THAT(revoke({Kind::serial, digits(1), ""}), IsEmpty());
  EXPECT_EQ(task(digits(2)).state, TaskState::open);
  EXPECT_FALSE(task(digits(2)).revocation_requested);
}

TEST_P(Revocations, MeanWhatTheySay) {
  const BrokerRecord first = broker();
  const BrokerRecord second = broker();
  open_task(1, first);
  NewTask other = make_task(2, second);
  other.id = "task 1";
  other.agent = "bob";
  registry_->open_task(other, make_grant("jti", "boss"), "tester");
  other.serial = digits(3);
  other.id = "task 3";
  registry_->open_task(other, make_grant("jti", "chief"), "tester");
  EXPECT_THAT(revoke({Kind::task_id, "task 9", ""}), IsEmpty());
  EXPECT_THAT(revoke({Kind::task_id, "task 1", ""}), ElementsAre(digits(1), digits(2)));
  EXPECT_THAT(revoke({Kind::agent, "bob", ""}), ElementsAre(digits(2), digits(3)));
  EXPECT_THAT(revoke({Kind::grant, "jti", "chief"}), ElementsAre(digits(3)));
  EXPECT_THAT(revoke({Kind::grant, "jti", ""}), ElementsAre(digits(2), digits(3)));
  EXPECT_THAT(revoke({}), ElementsAre(digits(1), digits(2), digits(3)));
  EXPECT_THAT(ordered(first), ElementsAre(digits(1)));
  EXPECT_THAT(ordered(second), ElementsAre(digits(3), digits(2)));
}

TEST_P(Revocations, TakeWhatIsBelow) {
  const BrokerRecord first = broker();
  const BrokerRecord second = broker();
  open_task(1, first);
  open_task(2, second, digits(1));
  open_task(3, first, digits(2));
  open_task(4, first);
  EXPECT_THAT(revoke({Kind::serial, digits(1), ""}), ElementsAre(digits(1), digits(2), digits(3)));
  EXPECT_THAT(ordered(first), ElementsAre(digits(3), digits(1)));
  EXPECT_THAT(ordered(second), ElementsAre(digits(2)));
  EXPECT_EQ(refusal_of([&] { open_task(5, first, digits(3)); }), RegistryRefusal::parent_is_gone);
}

TEST_P(Revocations, OfAGrantHoldBeforeItsUse) {
  const BrokerRecord self = broker();
  const auto open = [&](std::uint64_t number, const GrantUse& grant) {
    return refusal_of([&] { registry_->open_task(make_task(number, self), grant, "tester"); });
  };
  EXPECT_THAT(revoke({Kind::grant, "one", "boss"}), IsEmpty());
  EXPECT_THAT(revoke({Kind::grant, "any", ""}), IsEmpty());
  EXPECT_EQ(open(1, make_grant("one", "boss")), RegistryRefusal::grant_revoked);
  EXPECT_EQ(open(1, make_grant("any", "boss")), RegistryRefusal::grant_revoked);
  EXPECT_EQ(open(1, make_grant("any", "chief")), RegistryRefusal::grant_revoked);
  EXPECT_EQ(open(1, make_grant("one", "chief")), std::nullopt);
  EXPECT_EQ(open(2, make_grant("three", "boss")), std::nullopt);
  revoke({Kind::grant, "three", "boss"});
  EXPECT_EQ(open(3, make_grant("three", "boss")), RegistryRefusal::grant_revoked);
}

TEST_P(Revocations, LeaveWhatIsOpenedLaterAlone) {
  const BrokerRecord self = broker();
  open_task(1, self);
  revoke({});
  open_task(2, self);
  EXPECT_THAT(ordered(self), ElementsAre(digits(1)));
}

TEST_P(Revocations, OfTasksOfADeadBrokerEndWithIt) {
  const BrokerRecord self = broker();
  open_task(1, broker(milliseconds(0)));
  EXPECT_THAT(revoke({}), SizeIs(1));
  wait_for_the_clock();
  EXPECT_THAT(registry_->take_over(self, TakeOverScope::lapsed), SizeIs(1));
  EXPECT_EQ(task(digits(1)).state, TaskState::lost);
}

/// What is stored must be good to be handed on: as the cause of an end it is checked again.
TEST_P(Revocations, OfWhatIsBelowHaveNoLongerReasonThanOthers) {
  const BrokerRecord self = broker();
  open_task(1, self);
  open_task(2, broker(), digits(1));
  const std::string longest = "x" + std::string(kMostCause - 2, 'r') + "x";
  ASSERT_TRUE(registry_->move_task({digits(1), TaskState::revoked, longest, "admin"}));
  const auto orders = registry_->revocations(task(digits(2)).broker);
  ASSERT_THAT(orders, SizeIs(1));
  EXPECT_THAT(orders[0].reason, testing::StartsWith("the task above has ended: xrrr"));
  EXPECT_EQ(orders[0].reason.size(), kMostCause);
}

TEST_P(Revocations, AreCheckedBeforeTheyAreWritten) {
  EXPECT_EQ(fault_of([&] { revoke({Kind::serial, "", ""}); }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault_of([&] { revoke({Kind::agent, std::string(256, 'x'), ""}); }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault_of([&] { revoke({Kind::grant, "jti", "\n"}); }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault_of([&] { registry_->request_revocation({}, "", "admin"); }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault_of([&] { static_cast<void>(registry_->revocations("me")); }), CKR_ARGUMENTS_BAD);
}

MAYFLY_ON_EVERY_DATABASE(Revocations);

}  // namespace
}  // namespace mayfly::test
