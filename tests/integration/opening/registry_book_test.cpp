// The record of tasks in a registry, when that or the broker is in trouble.
#include "compose/registry_book.h"

#include <thread>

#include <gtest/gtest.h>

#include "registry/sqlite/connection.h"
#include "registry/sqlite/sqlite_registry.h"
#include "support/failure_of.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

using namespace std::chrono_literals;

class RegistryBookTest : public ::testing::Test {
 protected:
  void open(RegistryBook& book, const std::string& serial) const {
    const auto admission = book.admit({"task " + serial, std::nullopt}, nullptr);
    admission->record({serial, "task " + serial, "", unix_now_s() + 60});
  }
  [[nodiscard]] TaskRecord task(const std::string& serial) const {
    TaskFilter filter;
    filter.serial = serial;
    filter.ended_too = true;
    return registry->tasks(filter).at(0);
  }

  static constexpr const char* kFirst = "1111111111111111";
  static constexpr const char* kSecond = "2222222222222222";

  TempFolder folder;
  std::shared_ptr<Registry> registry = open_sqlite_registry(folder.path() / "registry.db", 5s);
  Config config;
};

TEST_F(RegistryBookTest, ALeaseOfABookWithoutAThreadCoversTheTask) {
  config.registry.lease = 1s;
  RegistryBook book(registry, config, BookUpkeep::calls);
  open(book, kFirst);
  const BrokerRecord other{make_broker_id(), "abcdefabcdef", ProcessIdentity::self()};
  registry->register_broker(other, 60s);
  const auto deadline = BootClock::now() + 1500ms;
  while (BootClock::now() < deadline)
    EXPECT_TRUE(registry->take_over(other, TakeOverScope::lapsed).empty());
  EXPECT_EQ(task(kFirst).state, TaskState::open);
}

TEST_F(RegistryBookTest, ABookWithoutAThreadTakesNobodyOverWhoseLeaseAloneIsOver) {
  const BrokerRecord other{make_broker_id(), "abcdefabcdef", ProcessIdentity::self()};
  registry->register_broker(other, 0s);
  registry->open_task({kSecond, "task", "", "", other.id, unix_now_s() + 60}, std::nullopt, "test");
  registry->add_stored_key({Bytes(32, 1), "label", "device", "task", kSecond});
  const auto until = BootClock::now() + 3ms;
  while (BootClock::now() < until) std::this_thread::yield();
  RegistryBook book(registry, config, BookUpkeep::calls);
  open(book, kFirst);
  EXPECT_EQ(task(kSecond).state, TaskState::open);
  EXPECT_TRUE(registry->renew_lease(other.id, 60s)) << "the database may just have been away";
}

TEST_F(RegistryBookTest, ABookWithoutAThreadHoldsNobodyOffADeadBrokersKeys) {
  BrokerRecord dead{make_broker_id(), registry->host(), ProcessIdentity::self()};
  ++dead.process.started;  // the number is another process's now
  registry->register_broker(dead, 60s);
  registry->open_task({kSecond, "task", "", "", dead.id, unix_now_s() + 60}, std::nullopt, "test");
  registry->add_stored_key({Bytes(32, 1), "label", "device", "task", kSecond});
  RegistryBook book(registry, config, BookUpkeep::calls);
  open(book, kFirst);
  EXPECT_EQ(task(kSecond).state, TaskState::lost);
  const BrokerRecord heir{make_broker_id(), "abcdefabcdef", ProcessIdentity::self()};
  registry->register_broker(heir, 60s);
  const std::vector<TakenOver> left = registry->take_over(heir, TakeOverScope::lapsed);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].broker, dead);
  EXPECT_EQ(left[0].stored_keys.size(), 1U);
}

TEST_F(RegistryBookTest, WhatWasTakenOverIsFoundAtAnOpeningAndSaid) {
  RegistryBook book(registry, config, BookUpkeep::thread);
  open(book, kFirst);
  using enum RegistryBook::Renewal;
  EXPECT_EQ(book.renew_lease(), done);
  const std::string before = book.broker()->id;
  registry->end_broker(before, "test");
  open(book, kSecond);
  EXPECT_NE(book.broker()->id, before);
  EXPECT_EQ(book.renew_lease(), too_late) << "the tasks of before are lost, whoever noticed it";
  EXPECT_EQ(book.renew_lease(), done) << "said once";
  EXPECT_EQ(task(kFirst).state, TaskState::lost);
  EXPECT_EQ(task(kSecond).state, TaskState::open);
}

TEST_F(RegistryBookTest, AnOrderIsGivenOutUntilItIsObeyed) {
  RegistryBook book(registry, config, BookUpkeep::thread);
  open(book, kFirst);
  EXPECT_TRUE(book.ordered_to_end().empty());
  static_cast<void>(registry->request_revocation({RevocationTarget::Kind::serial, kFirst, ""},
                                                 "stolen", "operator"));
  EXPECT_TRUE(book.keep_up());
  EXPECT_EQ(book.ordered_to_end(), std::vector<std::string>{kFirst});
  EXPECT_EQ(book.ordered_to_end(), std::vector<std::string>{kFirst});
  book.record({kFirst, "task", TaskState::revoked, 3, 1});
  EXPECT_TRUE(book.ordered_to_end().empty());
  EXPECT_TRUE(book.owes());
  EXPECT_TRUE(book.keep_up());
  EXPECT_FALSE(book.owes());
  EXPECT_EQ(task(kFirst).state, TaskState::revoked);
  const auto story = registry->transitions(kFirst);
  EXPECT_EQ(story.back().cause, "revoked: stolen; 3 keys destroyed, 1 pending");
  EXPECT_EQ(story.back().actor, "operator");
}

TEST_F(RegistryBookTest, WhatCantBeWrittenNowIsWrittenLater) {
  RegistryBook book(registry, config, BookUpkeep::thread);
  open(book, kFirst);
  book.record({kFirst, "task", TaskState::active});
  book.record({kFirst, "task", TaskState::closed, 1, 0});
  EXPECT_EQ(task(kFirst).state, TaskState::open) << "a thread writes it";
  EXPECT_TRUE(book.keep_up());
  EXPECT_EQ(task(kFirst).state, TaskState::closed);
  EXPECT_EQ(registry->transitions(kFirst).size(), 3U);
}

TEST_F(RegistryBookTest, WhatIsRefusedKeepsNothingElseFromBeingWritten) {
  RegistryBook book(registry, config, BookUpkeep::thread);
  open(book, kFirst);
  open(book, kSecond);
  book.record({kFirst, "task", TaskState::active});
  book.record({"3333333333333333", "unknown to the registry", TaskState::closed});
  book.record({kSecond, "task", TaskState::expired});
  EXPECT_TRUE(book.keep_up());
  EXPECT_FALSE(book.owes());
  EXPECT_EQ(task(kFirst).state, TaskState::active);
  EXPECT_EQ(task(kSecond).state, TaskState::expired);
}

TEST_F(RegistryBookTest, ARevocationThatIsOwedIsWrittenOnce) {
  RegistryBook book(registry, config, BookUpkeep::thread);
  open(book, kFirst);
  bool told = false;
  book.tell_when_owed([&] { told = true; });
  book.owe({{RevocationTarget::Kind::serial, kFirst, ""}, "stolen", "operator"});
  EXPECT_TRUE(told);
  EXPECT_TRUE(book.owes());
  EXPECT_TRUE(book.keep_up());
  EXPECT_FALSE(book.owes());
  EXPECT_EQ(book.ordered_to_end(), std::vector<std::string>{kFirst});
  const std::vector<RevocationOrder> orders = registry->revocations(book.broker()->id);
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].reason, "stolen");
  EXPECT_EQ(orders[0].actor, "operator");
}

TEST_F(RegistryBookTest, WhatCouldNotBeWrittenAMomentAgoIsWrittenAtTheClose) {
  const auto path = folder.path() / "registry.db";
  RegistryBook book(open_sqlite_registry(path, 100ms), config, BookUpkeep::calls);
  open(book, kFirst);
  {
    sqlite::Connection other(path, std::chrono::steady_clock::now() + 60s);
    other.run("BEGIN EXCLUSIVE");
    book.record({kFirst, "task", TaskState::closed, 1, 0});
    EXPECT_TRUE(book.owes());
    other.run("ROLLBACK");
  }
  book.close();
  EXPECT_EQ(task(kFirst).state, TaskState::closed);
  EXPECT_TRUE(registry->brokers().empty());
}

TEST_F(RegistryBookTest, ABookThatIsClosedLeavesNoBrokerBehind) {
  RegistryBook book(registry, config, BookUpkeep::calls);
  open(book, kFirst);
  book.record({kFirst, "task", TaskState::closed});
  EXPECT_EQ(registry->brokers().size(), 1U);
  book.close();
  EXPECT_TRUE(registry->brokers().empty());
  EXPECT_EQ(task(kFirst).state, TaskState::closed);
}

}  // namespace
}  // namespace mayfly::test
