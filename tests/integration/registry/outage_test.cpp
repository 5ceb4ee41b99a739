// Databases that are down, frozen, full or not to be written: what needs them fails in time, and
// nothing is spent twice.
#include <csignal>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

#include "fault/registry_writes.h"
#include "integration/registry/registry_test.h"
#include "registry/registry_unanswered.h"

namespace mayfly::test {
namespace {

using std::chrono::steady_clock;

constexpr milliseconds kPatience{1'000};
// What "in time" is on a machine that has much else to do; without a time-out it would be for ever.
constexpr seconds kInTime{30};

/// The Error that a call throws, in time.
template <typename Call>
std::string complaint_of(Call&& call) {
  const auto start = steady_clock::now();
  std::string complaint;
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.rv(), CKR_FUNCTION_FAILED) << error.what();
    complaint = error.what();
  }
  EXPECT_LT(steady_clock::now() - start, kInTime);
  EXPECT_EQ(complaint.find('\n'), std::string::npos);
  return complaint;
}

/// Whether nobody can know what came of a call, which fails.
template <typename Call>
bool is_unanswered(Call&& call) {
  try {
    call();
  } catch (const RegistryUnanswered&) {
    return true;
  } catch (const Error&) {
    return false;
  }
  ADD_FAILURE() << "it did not fail";
  return false;
}

class PostgresOutage : public testing::Test {
 protected:
  PostgresOutage() {
    broker_ = make_broker(*registry_);
    registry_->register_broker(broker_, kLongLease);
  }

  void open_task(std::uint64_t number, const std::string& jti) const {
    registry_->open_task(make_task(number, broker_), make_grant(jti), "tester");
  }

  RegistryPlace place_{Backend::postgres};
  std::unique_ptr<Registry> registry_ = place_.open(kPatience);
  BrokerRecord broker_;
};

TEST_F(PostgresOutage, StoppedServerFailsAndComesBack) {
  open_task(1, "one");
  postgres_server().kill();
  EXPECT_THAT(complaint_of([&] { open_task(2, "two"); }), testing::HasSubstr("start the server"));
  EXPECT_THAT(complaint_of([&] { static_cast<void>(registry_->revocations(broker_.id)); }),
              testing::HasSubstr("start the server"));
  EXPECT_NE(complaint_of([&] { static_cast<void>(place_.open(kPatience)); }), "");
  postgres_server().start();
  EXPECT_EQ(complaint_of([&] { open_task(2, "two"); }), "");
  EXPECT_EQ(refusal_of([&] { open_task(3, "one"); }), RegistryRefusal::grant_spent);
}

/// Whoever opens a task needs to know whether it may be open.
TEST_F(PostgresOutage, LostCommitIsToldFromWhatIsNotDone) {
  place_.run(
      "CREATE FUNCTION mayfly.break_off() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'");
  const auto break_off = [&](const std::string& when) {
    place_.run("CREATE CONSTRAINT TRIGGER broken AFTER INSERT ON mayfly.task " + when +
               " FOR EACH ROW EXECUTE FUNCTION mayfly.break_off()");
  };
  break_off("DEFERRABLE INITIALLY DEFERRED");
  EXPECT_TRUE(is_unanswered([&] { open_task(1, "one"); }));
  place_.run("DROP TRIGGER broken ON mayfly.task");
  break_off("NOT DEFERRABLE");
  EXPECT_FALSE(is_unanswered([&] { open_task(1, "one"); }));
  place_.run("DROP TRIGGER broken ON mayfly.task");
  EXPECT_EQ(complaint_of([&] { open_task(1, "one"); }), "");
  postgres_server().kill();
  EXPECT_FALSE(is_unanswered([&] { open_task(2, "two"); }));
  postgres_server().start();
}

/// Connections that were kept are dead, and nobody has told.
TEST_F(PostgresOutage, RestartedServerIsNotNoticed) {
  for (std::uint64_t round = 1; round <= 5; ++round) {
    open_task(round, "jti " + std::to_string(round));
    postgres_server().kill();
    postgres_server().start();
  }
  EXPECT_EQ(complaint_of([&] { open_task(6, "jti 6"); }), "");
}

TEST_F(PostgresOutage, FrozenServerFailsInTime) {
  open_task(1, "one");
  const auto watch = registry_->watch();
  EXPECT_TRUE(watch->wait(seconds(30)));
  postgres_server().freeze();
  const std::string complaint = complaint_of([&] { open_task(2, "two"); });
  // A kept connection is not needed for that: a new one does not answer either.
  const std::string at_start = complaint_of([&] { static_cast<void>(place_.open(kPatience)); });
  const auto start = steady_clock::now();
  watch->wait(milliseconds(100));
  EXPECT_LT(steady_clock::now() - start, kInTime);
  postgres_server().thaw();
  EXPECT_THAT(complaint, testing::HasSubstr("does not answer in time"));
  EXPECT_THAT(at_start, testing::HasSubstr("does not answer in time"));
  EXPECT_EQ(complaint_of([&] { open_task(2, "two"); }), "");
  EXPECT_EQ(refusal_of([&] { open_task(3, "two"); }), RegistryRefusal::grant_spent);
}

/// Four threads race for grants while the server is frozen, restarted and thawed under them.
TEST_F(PostgresOutage, NothingIsSpentTwice) {
  constexpr unsigned kThreads = 4;
  constexpr unsigned kGrants = 200;
  std::mutex mutex;
  std::map<std::string, std::set<std::string>> told;  // winners by grant, as they were told
  std::atomic<unsigned> failures{0};
  std::atomic<unsigned> under_way{kThreads};
  {
    std::vector<std::jthread> threads;
    for (unsigned thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (unsigned grant = 0; grant < kGrants; ++grant) {
          const std::uint64_t number = 1'000 + grant * kThreads + thread;
          const std::string jti = "jti " + std::to_string(grant);
          try {
            open_task(number, jti);
            const std::scoped_lock lock(mutex);
            told[jti].insert(digits(number));
          } catch (const RegistryRefused&) {
          } catch (const Error&) {
            ++failures;
            std::this_thread::sleep_for(milliseconds(5));
          }
        }
        --under_way;
      });
    }
    for (unsigned round = 0; under_way > 0; ++round) {
      std::this_thread::sleep_for(milliseconds(50));
      if (round % 2 == 0) {
        postgres_server().freeze();
        std::this_thread::sleep_for(milliseconds(round % 4 == 0 ? 100 : 1'300));
        postgres_server().thaw();
      } else if (round < 8) {
        postgres_server().kill();
        postgres_server().start();
      }
    }
  }
  EXPECT_GT(failures, 0U);
  EXPECT_GT(told.size(), 0U);
  const auto registry = place_.open();
  TaskFilter all;
  all.most = 100'000;
  std::map<std::string, std::set<std::string>> there;
  for (const TaskRecord& task : registry->tasks(all)) {
    there[task.grant.value_or(GrantName{}).id].insert(task.serial);
  }
  for (const auto& [jti, serials] : there) EXPECT_EQ(serials.size(), 1U) << jti;
  for (const auto& [jti, serials] : told) EXPECT_EQ(serials, there[jti]) << jti;
  printf("%zu grants spent, %u openings failed\n", there.size(), failures.load());
}

TEST(PostgresConnections, ChildDoesNotUseThoseOfItsParent) {
  const RegistryPlace place(Backend::postgres);
  const auto registry = place.open();
  EXPECT_TRUE(registry->brokers().empty());
  const pid_t child = fork();
  if (child == 0) {
    registry->add_ticket(Bytes(32, 1), "grant", unix_now_s() + 600);
    _exit(registry->take_ticket(Bytes(32, 1)) == "grant" ? 0 : 1);
  }
  for (int round = 0; round < 50; ++round) EXPECT_TRUE(registry->brokers().empty());
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(registry->brokers().empty());
}

TEST(PostgresConnections, AreNotKeptInAHost) {
  const RegistryPlace place(Backend::postgres);
  const auto connections = [&] {
    return place
        .run(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
            "pg_backend_pid()")
        .at(0)
        .number(0);
  };
  const auto registry = place.open(seconds(60), postgres::Connections::one_each);
  registry->add_ticket(Bytes(32, 1), "grant", 1);
  const auto end = steady_clock::now() + kInTime;
  while (connections() > 0 && steady_clock::now() < end) {
    std::this_thread::sleep_for(milliseconds(5));  // the server notices a moment later
  }
  EXPECT_EQ(connections(), 0);
  const auto kept = place.open();
  EXPECT_EQ(connections(), 1);
}

TEST(PostgresUrl, HoldsNoPassword) {
  for (const char* url : {"postgresql://u:s3cret@h/d", "postgresql://h/d?pass%77ord=s3cret"}) {
    try {
      static_cast<void>(open_postgres_registry({url, {}, kPatience}, postgres::Connections::kept));
      FAIL() << "a password in a URL was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.rv(), CKR_GENERAL_ERROR);
      EXPECT_THAT(error.what(), testing::HasSubstr("registry.password-source"));
      EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("s3cret")));
    }
  }
}

TEST(PostgresDatabases, OfAnotherProgramAreLeftAlone) {
  const RegistryPlace place(Backend::postgres);
  place.run("CREATE SCHEMA mayfly");
  place.run("CREATE TABLE mayfly.precious(x INT)");
  try {
    static_cast<void>(place.open());
    FAIL() << "another program's schema was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.rv(), CKR_GENERAL_ERROR);
    EXPECT_THAT(error.what(), testing::HasSubstr("another program's"));
  }
  EXPECT_EQ(place.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'mayfly'").at(0).number(0),
            1);
}

class SqliteOutage : public testing::Test {
 protected:
  RegistryPlace place_{Backend::sqlite};
  std::unique_ptr<Registry> registry_ = place_.open(kPatience);
};

TEST_F(SqliteOutage, LockOfAHangingProcessIsNotWaitedForForEver) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    sqlite::Connection connection(place_.file(), steady_clock::now() + seconds(60));
    connection.run("BEGIN IMMEDIATE");
    if (write(ready[1], "!", 1) != 1) _exit(1);
    pause();
  }
  char go = 0;
  ASSERT_EQ(read(ready[0], &go, 1), 1);
  kill(child, SIGSTOP);
  EXPECT_THAT(complaint_of([&] { registry_->add_ticket(Bytes(32, 1), "grant", 1); }),
              testing::HasSubstr("look for one that hangs"));
  EXPECT_TRUE(registry_->brokers().empty());  // reading waits for nobody
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(complaint_of([&] { registry_->add_ticket(Bytes(32, 1), "grant", 1); }), "");
  close(ready[0]);
  close(ready[1]);
}

TEST_F(SqliteOutage, FullDiskFailsAtEveryWrite) {
  const BrokerRecord self = make_broker(*registry_);
  registry_->register_broker(self, kLongLease);
  unsigned at = 1;
  unsigned unanswered = 0;
  for (;; ++at) {
    watch_registry_writes({at, false, ENOSPC});
    const std::string complaint = complaint_of([&] {
      try {
        registry_->open_task(make_task(at, self), make_grant("jti " + std::to_string(at)),
                             "tester");
      } catch (const RegistryUnanswered&) {
        ++unanswered;
        throw;
      }
    });
    const bool struck = registry_writes() >= at;
    watch_registry_writes({});
    if (!struck) break;
    const auto story = registry_->transitions(digits(at));
    // It can also fail when all is on the disk: then asking again is answered.
    EXPECT_TRUE(!story.empty() || !complaint.empty()) << at;
    registry_->open_task(make_task(at, self), make_grant("jti " + std::to_string(at)), "tester");
    EXPECT_EQ(registry_->transitions(digits(at)).size(), 1U);
  }
  EXPECT_GT(at, 3U);
  EXPECT_GT(unanswered, 0U) << "a commit that failed may have been done";
  printf("%u failing writes\n", at - 1);
}

TEST_F(SqliteOutage, UnwritableFolderIsSaid) {
  const pid_t child = fork();
  if (child == 0) {
    // Root may write everywhere.
    if (geteuid() == 0 &&
        (chown(place_.folder().c_str(), 65'534, 65'534) != 0 ||
         chown(place_.file().c_str(), 65'534, 65'534) != 0 || setuid(65'534) != 0)) {
      _exit(2);
    }
    if (chmod(place_.file().c_str(), 0400) != 0 || chmod(place_.folder().c_str(), 0500) != 0) {
      _exit(3);
    }
    const std::string complaint =
        complaint_of([&] { registry_->add_ticket(Bytes(32, 1), "grant", 1); });
    _exit(complaint.find("must be able to write the file") != complaint.npos ? 0 : 4);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  chmod(place_.folder().c_str(), 0700);
}

}  // namespace
}  // namespace mayfly::test
