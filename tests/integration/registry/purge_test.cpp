#include "integration/registry/registry_test.h"

namespace mayfly::test {
namespace {

class Purge : public RegistryTest {
 protected:
  /// Lets the records of the past be so much older.
  void age(const char* table, const char* column, std::int64_t by) const {
    place_.run(std::string("UPDATE ") + table + " SET " + column + " = " + column + " - " +
               std::to_string(by));
  }
  [[nodiscard]] std::int64_t count(const char* table) const {
    return place_
        .run(std::string("SELECT count(*) FROM ") +
             (GetParam() == Backend::postgres ? "mayfly." : "") + table)
        .at(0)
        .number(0);
  }
};

constexpr std::int64_t kDay = 24 * 3'600;

TEST_P(Purge, KeepsWhatIsNeeded) {
  const BrokerRecord self = broker();
  registry_->open_task(make_task(1, self), make_grant("jti"), "tester");
  registry_->move_task({digits(1), TaskState::closed, "done", "tester"});
  registry_->add_ticket(Bytes(32, 1), "grant", unix_now_s() + 600);
  registry_->request_revocation({}, "stolen", "admin");
  EXPECT_EQ(registry_->purge(hours(1)), 0U);
  EXPECT_EQ(registry_->transitions(digits(1)).size(), 2U);
}

TEST_P(Purge, SpentGrantIsForgottenWhenItIsRefusedAnyway) {
  const BrokerRecord self = broker();
  registry_->open_task(make_task(1, self), make_grant("jti"), "tester");
  age("spent_grant", "keep_until", kDay);
  EXPECT_EQ(registry_->purge(hours(1)), 0U);
  EXPECT_EQ(count("spent_grant"), 1);
  age("spent_grant", "keep_until", 7'000);
  EXPECT_EQ(registry_->purge(hours(1)), 1U);
  EXPECT_EQ(count("spent_grant"), 0);
}

TEST_P(Purge, HistoryGoesWhenItIsOldAndNoKeyIsLeft) {
  const BrokerRecord first = broker(milliseconds(0));
  const BrokerRecord self = broker();
  open_task(1, first);
  registry_->add_stored_key({Bytes(32, 1), "label", "device", "task 1", digits(1)});
  open_task(2, self);
  registry_->request_revocation({RevocationTarget::Kind::serial, digits(1), ""}, "r", "a");
  wait_for_the_clock();
  ASSERT_EQ(registry_->take_over(self).size(), 1U);
  registry_->finish_take_over(self.id, first.id);
  for (const char* column : {"opened", "ended"}) age("task", column, kDay * 1'000);
  age("broker", "ended", kDay * 1'000);
  age("revocation", "at", kDay * 1'000);
  EXPECT_EQ(registry_->purge(hours(1)), 0U);  // a key may be left
  registry_->remove_stored_key(Bytes(32, 1));
  EXPECT_EQ(registry_->purge(hours(48)), 0U);
  EXPECT_EQ(registry_->purge(hours(1)), 3U);  // the task, and with it its broker and revocation
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
  ASSERT_EQ(registry_->take_over(self).size(), 1U);
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

MAYFLY_ON_EVERY_DATABASE(Purge);

}  // namespace
}  // namespace mayfly::test
