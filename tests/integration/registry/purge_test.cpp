#include <fstream>

#include "base/clock.h"
#include "compose/registry_purge.h"
#include "integration/registry/registry_test.h"
#include "ledger/chain_file.h"

namespace mayfly::test {
namespace {

class Purge : public RegistryTest {
 protected:
  /// Lets the records of the past be so much older.
  void age(const char* table, const char* column, std::int64_t by) const {
    place_.run(std::string("UPDATE ") + table + " SET " + column + " = " + column + " - " +
               std::to_string(by));
  }
  /// Lets all tasks have ended a day earlier.
  void age_tasks() const {
    for (const char* column : {"opened", "ended"}) age("task", column, kDay * 1'000);
  }
  /// A task that has ended.
  void end_task(std::uint64_t number, const BrokerRecord& of, const Bytes& ledger_key = {}) const {
    open_task(number, of);
    registry_->move_task({digits(number), TaskState::closed, "done", "tester", ledger_key});
  }
  /// All that may be forgotten of this host, page by page.
  [[nodiscard]] std::vector<std::string> old_tasks(seconds history) const {
    std::vector<std::string> all;
    std::optional<TaskRecord> last;
    while (true) {
      const auto page = registry_->old_tasks(registry_->host(), history, last);
      if (page.empty()) return all;
      for (const std::string& serial : serials(page)) all.push_back(serial);
      last = page.back();
    }
  }
  [[nodiscard]] std::int64_t count(const char* table) const {
    return place_
        .run(std::string("SELECT count(*) FROM ") +
             (GetParam() == Backend::postgres ? "mayfly." : "") + table)
        .at(0)
        .number(0);
  }

  static constexpr std::int64_t kDay = 24 * 3'600;
};

TEST_P(Purge, KeepsWhatIsNeeded) {
  const BrokerRecord self = broker();
  registry_->open_task(make_task(1, self), make_grant("jti"), "tester");
  registry_->move_task({digits(1), TaskState::closed, "done", "tester"});
  registry_->add_ticket(Bytes(32, 1), "grant", unix_now_s() + 600);
  registry_->request_revocation({}, "stolen", "admin");
  EXPECT_EQ(registry_->purge(hours(1)), 0U);
  EXPECT_THAT(old_tasks(hours(1)), testing::IsEmpty());
  EXPECT_EQ(registry_->forget_tasks({digits(1)}, hours(1)), 0U);
  EXPECT_EQ(registry_->transitions(digits(1)).size(), 2U);
}

TEST_P(Purge, SpentGrantIsForgottenWhenItIsRefusedAnyway) {
  const BrokerRecord self = broker();
  registry_->open_task(make_task(1, self), make_grant("jti"), "tester");
  age("spent_grant", "keep_until", kDay);
  EXPECT_EQ(registry_->purge(seconds(0)), 0U);
  EXPECT_EQ(count("spent_grant"), 1);
  age("spent_grant", "keep_until", 7'000);
  EXPECT_EQ(registry_->purge(hours(1)), 0U) << "over for less than that";
  EXPECT_EQ(registry_->purge(seconds(0)), 1U);
  EXPECT_EQ(count("spent_grant"), 0);
}

TEST_P(Purge, NoGrantIsEverGoodAgain) {
  const BrokerRecord self = broker();
  const std::uint64_t now = unix_now_s();
  // From one that goes on for long to one whose use is forgotten at once.
  std::uint64_t task = 0;
  for (const std::int64_t left : {kDay, std::int64_t{1}, std::int64_t{0}, -kDay + 10}) {
    const std::string jti = "left " + std::to_string(left);
    const GrantUse grant{{"boss", jti}, now + static_cast<std::uint64_t>(left)};
    registry_->open_task(make_task(++task, self), grant, "tester");
    registry_->move_task({digits(task), TaskState::closed, "done", "tester"});
    age_tasks();
    while (registry_->purge(seconds(0)) > 0) {
    }
    EXPECT_EQ(registry_->forget_tasks({digits(task)}, seconds(0)), 1U) << "the task's own record";
    EXPECT_EQ(refusal_of([&] { registry_->open_task(make_task(++task, self), grant, "tester"); }),
              RegistryRefusal::grant_spent)
        << jti;
  }
  EXPECT_EQ(count("spent_grant"), 4);
  age("spent_grant", "keep_until", kDay + 7'000);
  while (registry_->purge(seconds(0)) > 0) {
  }
  EXPECT_EQ(count("spent_grant"), 1);
  const GrantUse over{{"boss", "left 0"}, now - static_cast<std::uint64_t>(kDay) - 1};
  EXPECT_EQ(refusal_of([&] { registry_->open_task(make_task(++task, self), over, "tester"); }),
            RegistryRefusal::grant_expired)
      << "forgotten, and refused all the same";
}

TEST_P(Purge, HistoryGoesWhenItIsOldAndNoKeyIsLeft) {
  const BrokerRecord first = broker(milliseconds(0));
  const BrokerRecord self = broker();
  open_task(1, first);
  registry_->add_stored_key({Bytes(32, 1), "label", "device", "task 1", digits(1)});
  open_task(2, self);
  registry_->request_revocation({RevocationTarget::Kind::serial, digits(1), ""}, "r", "a");
  wait_for_the_clock();
  ASSERT_EQ(registry_->take_over(self, TakeOverScope::lapsed).size(), 1U);
  registry_->finish_take_over(self.id, first.id);
  age_tasks();
  age("broker", "ended", kDay * 1'000);
  age("revocation", "at", kDay * 1'000);
  EXPECT_THAT(old_tasks(hours(1)), testing::IsEmpty()) << "a key may be left";
  EXPECT_EQ(registry_->forget_tasks({digits(1)}, hours(1)), 0U);
  registry_->remove_stored_key(Bytes(32, 1));
  EXPECT_THAT(old_tasks(hours(48)), testing::IsEmpty());
  EXPECT_THAT(old_tasks(hours(1)), testing::ElementsAre(digits(1)));
  EXPECT_EQ(registry_->purge(hours(1)), 0U) << "the broker and the revocation have a task";
  EXPECT_EQ(registry_->forget_tasks({digits(1), digits(2)}, hours(1)), 1U);
  EXPECT_EQ(registry_->purge(hours(1)), 2U);
  EXPECT_EQ(registry_->purge(hours(1)), 0U);
  EXPECT_TRUE(registry_->transitions(digits(1)).empty());
  EXPECT_EQ(count("broker"), 1);
  EXPECT_EQ(count("revocation"), 0);
  EXPECT_EQ(task(digits(2)).state, TaskState::open);
}

TEST_P(Purge, TakesOverTicketsAndUnfinishedBrokersAsTheyAre) {
  registry_->add_ticket(Bytes(32, 1), "grant", unix_now_s() - 1);
  const BrokerRecord first = broker(milliseconds(0));
  const BrokerRecord self = broker();
  wait_for_the_clock();
  ASSERT_EQ(registry_->take_over(self, TakeOverScope::lapsed).size(), 1U);
  age("broker", "ended", kDay * 1'000);
  EXPECT_EQ(registry_->purge(hours(1)), 1U);
  EXPECT_EQ(count("ticket"), 0);
  EXPECT_EQ(count("broker"), 2);
  registry_->finish_take_over(self.id, first.id);
  EXPECT_EQ(registry_->purge(hours(1)), 1U);
}

TEST_P(Purge, TakesAPartAtATime) {
  if (GetParam() == Backend::sqlite) {
    place_.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) "
        "INSERT INTO spent_grant SELECT 'boss', 'jti' || i, 0, i FROM n");
  } else {
    place_.run(
        "INSERT INTO mayfly.spent_grant SELECT 'boss', 'jti' || i, 0, i FROM "
        "generate_series(1, 1200) AS i");
  }
  std::size_t gone = 0;
  unsigned rounds = 0;
  while (const std::size_t now = registry_->purge(hours(1))) {
    EXPECT_LE(now, 500U);
    gone += now;
    ++rounds;
  }
  EXPECT_EQ(gone, 1'200U);
  EXPECT_EQ(rounds, 3U);
}

TEST_P(Purge, ATaskStaysWhileOneBelowItIsOpen) {
  const BrokerRecord self = broker();
  open_task(1, self);
  open_task(2, self, digits(1));
  registry_->move_task({digits(1), TaskState::closed, "done", "tester"});
  age_tasks();
  EXPECT_EQ(registry_->forget_tasks({digits(1)}, hours(1)), 0U);
  registry_->move_task({digits(2), TaskState::closed, "done", "tester"});
  EXPECT_EQ(registry_->forget_tasks({digits(1)}, hours(1)), 1U);
}

TEST_P(Purge, OldTasksComeInPagesAndOfOneHostOnly) {
  BrokerRecord other = make_broker(*registry_);
  other.host = "abcdefabcdef";
  registry_->register_broker(other, kLongLease);
  const BrokerRecord self = broker();
  end_task(1, other);
  end_task(2, self);
  // 599 more that ended at the same time.
  const std::string columns = "id, agent, parent, broker, deadline, state, opened, ended";
  if (GetParam() == Backend::sqlite) {
    place_.run(
        "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 601) "
        "INSERT INTO task(serial, " +
        columns + ") SELECT printf('%016x', i), " + columns + " FROM n, task WHERE serial = '" +
        digits(2) + "' ORDER BY i");
  } else {
    place_.run("INSERT INTO mayfly.task(serial, " + columns +
               ") SELECT lpad(to_hex(i), 16, '0'), " + columns +
               " FROM generate_series(3, 601) AS i, mayfly.task WHERE serial = '" + digits(2) +
               "' ORDER BY i");
  }
  std::vector<std::string> expected;
  for (std::uint64_t i = 2; i < 602; ++i) expected.push_back(digits(i));
  age_tasks();
  EXPECT_EQ(registry_->old_tasks(registry_->host(), hours(1), {}).size(), 500U);
  EXPECT_EQ(old_tasks(hours(1)), expected);
  const std::map<std::string, std::uint64_t> hosts = {{"abcdefabcdef", 1}, {self.host, 600}};
  EXPECT_EQ(registry_->old_tasks_by_host(hours(1)), hosts);
  EXPECT_EQ(fault_of([&] { registry_->forget_tasks(expected, hours(1)); }), CKR_ARGUMENTS_BAD);
}

/// With a folder of ledgers beside it.
class PurgeBesideLedgers : public Purge {
 protected:
  void write_chain(std::uint64_t number) const {
    std::ofstream(ledger::chain_path(folder_.path(), digits(number))) << "{}\n";
  }
  /// As `mayfly audit purge` does.
  void purge_chain(std::uint64_t number) const {
    ledger::ClosedChain chain;
    chain.task = {"task " + std::to_string(number), digits(number)};
    chain.head = {3, Bytes(32, 1)};
    ledger::ChainLogFile file(folder_.path());
    file.add({chain});
    chain.event = ledger::ClosedChain::Event::purged;
    chain.time_ms = unix_now_s() * 1000;
    file.add({chain});
    std::filesystem::remove(ledger::chain_path(folder_.path(), digits(number)));
  }
  /// What is forgotten of tasks.
  std::size_t run(RegistryPurge::Rules rules) const {
    rules.keep = hours(1);
    RegistryPurge purge(*registry_, rules);
    while (purge.step()) {
    }
    return purge.forgotten_tasks();
  }
  [[nodiscard]] RegistryPurge::Rules beside_ledgers() const {
    return {hours(1), "", folder_.path(), false};
  }

  const TempFolder folder_;
};

TEST_P(PurgeBesideLedgers, ATaskIsKnownAsLongAsItsChainMayBeVerified) {
  const BrokerRecord self = broker();
  end_task(1, self, Bytes(91, 1));
  end_task(2, self);
  age_tasks();
  write_chain(1);
  write_chain(2);  // a task without a key has a chain, too
  EXPECT_EQ(run(beside_ledgers()), 0U);
  std::filesystem::remove(ledger::chain_path(folder_.path(), digits(1)));
  EXPECT_EQ(run(beside_ledgers()), 0U) << "it was taken away, which whoever verifies must learn";
  EXPECT_EQ(run({hours(1), "", "", false}), 1U) << "of the one that never had a key of a ledger";
  write_chain(1);
  purge_chain(1);
  EXPECT_EQ(run(beside_ledgers()), 1U);
  EXPECT_EQ(count("task"), 0);
  EXPECT_EQ(count("task_transition"), 0);
}

TEST_P(PurgeBesideLedgers, OtherMachinesForgetTheirTasksThemselvesUnlessTheyAreGone) {
  BrokerRecord other = make_broker(*registry_);
  other.host = "abcdefabcdef";
  registry_->register_broker(other, kLongLease);
  end_task(1, other, Bytes(91, 1));
  end_task(2, other);
  age_tasks();
  EXPECT_EQ(run(beside_ledgers()), 0U);
  EXPECT_EQ(run({hours(1), other.host, folder_.path(), true}), 2U);
  registry_->end_broker(other.id, "tester");
  age("broker", "ended", kDay * 1'000);
  EXPECT_EQ(run(beside_ledgers()), 0U);
  EXPECT_EQ(count("broker"), 0) << "the last of its tasks is gone";
}

MAYFLY_ON_EVERY_DATABASE(Purge);
MAYFLY_ON_EVERY_DATABASE(PurgeBesideLedgers);

}  // namespace
}  // namespace mayfly::test
