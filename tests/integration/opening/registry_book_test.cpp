// The record of tasks in a registry, when that or the broker is in trouble.
#include "compose/registry_book.h"

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "registry/registry_unanswered.h"
#include "registry/sql_registry.h"
#include "registry/sqlite/connection.h"
#include "registry/sqlite/sqlite_database.h"
#include "registry/sqlite/sqlite_registry.h"
#include "support/failure_of.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

using namespace std::chrono_literals;

/// A registry whose answers are lost.
class UnansweringDatabase final : public SqlDatabase {
 public:
  explicit UnansweringDatabase(std::filesystem::path file) : file_(std::move(file), 5s) {}

  /// Of what is written next, the first is done if it is to be, and nobody hears of any.
  void lose_answers(int count, bool is_done) {
    lost_ = count;
    is_done_ = is_done;
  }

  [[nodiscard]] const Types& types() const noexcept override { return file_.types(); }
  std::int64_t version(SqlTransaction& transaction) override { return file_.version(transaction); }
  void set_version(SqlTransaction& transaction, std::int64_t version) override {
    file_.set_version(transaction, version);
  }
  [[nodiscard]] const std::string& name() const noexcept override { return file_.name(); }

 protected:
  void attempt(Access access, const Body& body, Clock::time_point) override {
    const bool is_lost = access == Access::write && lost_ > 0;
    if (!is_lost || std::exchange(is_done_, false)) file_.transact(access, body);
    if (!is_lost) return;
    --lost_;
    throw RegistryUnanswered(CKR_FUNCTION_FAILED, "the answer is lost; ask again");
  }
  [[nodiscard]] std::chrono::milliseconds patience() const noexcept override {
    return file_.patience();
  }

 private:
  sqlite::SqliteDatabase file_;
  int lost_ = 0;
  bool is_done_ = false;
};

class UnansweringRegistry final : public SqlRegistry {
 public:
  explicit UnansweringRegistry(std::unique_ptr<UnansweringDatabase> database)
      : SqlRegistry(std::move(database)) {}
  void lose_answers(int count, bool is_done) {
    static_cast<UnansweringDatabase&>(database()).lose_answers(count, is_done);
  }
  [[nodiscard]] std::unique_ptr<Watch> watch() override { return nullptr; }
};

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

  [[nodiscard]] std::shared_ptr<UnansweringRegistry> unanswering() const {
    return std::make_shared<UnansweringRegistry>(
        std::make_unique<UnansweringDatabase>(folder.path() / "registry.db"));
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

TEST_F(RegistryBookTest, AnOpeningWithoutAnAnswerIsAskedForAgain) {
  for (const bool is_done : {true, false}) {
    const std::string serial = is_done ? kFirst : kSecond;
    const auto lossy = unanswering();
    RegistryBook book(lossy, config, BookUpkeep::thread);
    book.enrol();
    lossy->lose_answers(1, is_done);
    open(book, serial);
    EXPECT_EQ(task(serial).state, TaskState::open);
    EXPECT_EQ(registry->transitions(serial).size(), 1U);
    EXPECT_FALSE(book.owes());
  }
}

TEST_F(RegistryBookTest, ATaskThatCouldNotBeOpenedDoesNotStayOpenInTheRegistry) {
  for (const bool is_done : {true, false}) {
    const std::string serial = is_done ? kFirst : kSecond;
    const auto lossy = unanswering();
    RegistryBook book(lossy, config, BookUpkeep::thread);
    book.enrol();
    bool told = false;
    book.tell_when_owed([&] { told = true; });
    lossy->lose_answers(2, is_done);
    EXPECT_THROW(open(book, serial), RegistryUnanswered);
    EXPECT_EQ(registry->transitions(serial).size(), is_done ? 1U : 0U);
    EXPECT_TRUE(told);
    EXPECT_TRUE(book.owes());
    EXPECT_TRUE(book.keep_up());
    EXPECT_FALSE(book.owes());
    if (!is_done) continue;
    EXPECT_EQ(task(serial).state, TaskState::closed);
    EXPECT_EQ(registry->transitions(serial).back().cause, "it could not be opened after all");
  }
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

TEST_F(RegistryBookTest, ALongReasonKeepsNoEndFromBeingRecorded) {
  RegistryBook book(registry, config, BookUpkeep::thread);
  open(book, kFirst);
  std::string reason = "x";
  while (reason.size() + 2 <= kMostCause) reason += "\u00e4";
  static_cast<void>(
      registry->request_revocation({RevocationTarget::Kind::serial, kFirst, ""}, reason, "boss"));
  EXPECT_TRUE(book.keep_up());
  EXPECT_EQ(book.ordered_to_end(), std::vector<std::string>{kFirst});
  book.record({kFirst, "task", TaskState::revoked, 3, 1});
  EXPECT_TRUE(book.keep_up());
  EXPECT_EQ(task(kFirst).state, TaskState::revoked);
  const std::string cause = registry->transitions(kFirst).back().cause;
  EXPECT_EQ(cause.find("revoked: x\u00e4\u00e4"), 0U);
  EXPECT_NE(cause.find("\u00e4; 3 keys destroyed, 1 pending"), std::string::npos);
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

TEST_F(RegistryBookTest, OrdersAreHeardWhileNothingCanBeWritten) {
  const auto lossy = unanswering();
  RegistryBook book(lossy, config, BookUpkeep::thread);
  open(book, kFirst);
  open(book, kSecond);
  static_cast<void>(registry->request_revocation({RevocationTarget::Kind::serial, kFirst, ""},
                                                 "stolen", "operator"));
  book.record({kSecond, "task", TaskState::closed});
  lossy->lose_answers(1'000, false);
  EXPECT_FALSE(book.keep_up());
  EXPECT_TRUE(book.owes());
  EXPECT_EQ(book.ordered_to_end(), std::vector<std::string>{kFirst});
  lossy->lose_answers(0, false);
  EXPECT_TRUE(book.keep_up());
  EXPECT_EQ(task(kSecond).state, TaskState::closed);
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
