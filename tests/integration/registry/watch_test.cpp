#include <chrono>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "integration/registry/registry_test.h"

namespace mayfly::test {
namespace {

constexpr seconds kLong{60};

using Watching = RegistryTest;

TEST_P(Watching, TellsOfWhatAnotherProcessDid) {
  const BrokerRecord self = broker();
  open_task(1, self);
  // The child must not have what the watch keeps open.
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    char go = 0;
    if (read(ready[0], &go, 1) != 1) _exit(1);
    place_.open()->request_revocation({}, "stolen", "admin");
    _exit(0);
  }
  const auto watch = registry_->watch();
  EXPECT_TRUE(watch->wait(kLong));  // the first time, since nothing is known of before
  EXPECT_TRUE(registry_->revocations(self.id).empty());
  ASSERT_EQ(write(ready[1], "!", 1), 1);
  const auto start = std::chrono::steady_clock::now();
  const auto end = start + kLong;
  while (registry_->revocations(self.id).empty() && std::chrono::steady_clock::now() < end) {
    watch->wait(kLong);
  }
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_FALSE(registry_->revocations(self.id).empty());
  RecordProperty("milliseconds", static_cast<int>(std::chrono::ceil<milliseconds>(took).count()));
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
}

MAYFLY_ON_EVERY_DATABASE(Watching);

class PostgresWatching : public testing::Test {
 protected:
  RegistryPlace place_{Backend::postgres};
  std::unique_ptr<Registry> registry_ = place_.open();
  std::unique_ptr<Watch> watch_ = registry_->watch();
};

/// Polling never lets the descriptor be read.
TEST_F(PostgresWatching, IsWokenByTheServer) {
  ASSERT_TRUE(watch_->wait(kLong));
  ASSERT_GE(watch_->descriptor(), 0);
  place_.open()->request_revocation({}, "stolen", "admin");
  pollfd news{watch_->descriptor(), POLLIN, 0};
  EXPECT_EQ(poll(&news, 1, static_cast<int>(milliseconds(kLong).count())), 1);
  EXPECT_TRUE(watch_->changed());
}

TEST_F(PostgresWatching, TellsAlsoWithoutBeingWoken) {
  ASSERT_TRUE(watch_->wait(kLong));
  EXPECT_FALSE(watch_->changed());
  place_.run("INSERT INTO mayfly.ticket VALUES ('\\x00', 'grant', 1)");
  pollfd news{watch_->descriptor(), POLLIN, 0};
  EXPECT_EQ(poll(&news, 1, 0), 0);
  EXPECT_LE(watch_->longest_wait(), seconds(1));
  EXPECT_TRUE(watch_->wait(kLong));
}

TEST_F(PostgresWatching, ComesBackAfterTheServer) {
  ASSERT_TRUE(watch_->wait(kLong));
  postgres_server().kill();
  bool is_told = false;
  while (watch_->descriptor() >= 0) is_told = watch_->wait(milliseconds(1));
  EXPECT_TRUE(is_told) << "whoever asks then learns that the server is away";
  EXPECT_FALSE(watch_->changed()) << "once";
  EXPECT_LE(watch_->longest_wait(), seconds(1));
  postgres_server().start();
  EXPECT_TRUE(watch_->wait(kLong));
  EXPECT_GE(watch_->descriptor(), 0);
}

TEST(SqliteWatching, TellsOfNothingWhenNothingHappened) {
  const RegistryPlace place(Backend::sqlite);
  const auto registry = place.open();
  const auto watch = registry->watch();
  EXPECT_TRUE(watch->changed());
  EXPECT_FALSE(watch->changed());
  static_cast<void>(registry->brokers());
  EXPECT_FALSE(watch->changed());
  registry->add_ticket(Bytes(32, 1), "grant", 1);
  EXPECT_TRUE(watch->changed());
  EXPECT_FALSE(watch->changed());
  EXPECT_LE(watch->longest_wait(), milliseconds(200));
}

}  // namespace
}  // namespace mayfly::test
