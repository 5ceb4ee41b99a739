// A process that is killed at every point of every transaction: it happened as a whole or not at
// all.
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include "fault/registry_writes.h"
#include "integration/registry/registry_test.h"

namespace mayfly::test {
namespace {

class Killed : public testing::TestWithParam<Backend> {
 protected:
  using Act = std::function<void(Registry&)>;

  /// Does `act` on a registry of its own in a process that is killed after one of its writes, and
  /// checks what is left; then after the next, until a process gets through.
  /// @param prepare  Called before each.
  void kill_everywhere(const std::function<void(Registry&)>& prepare, const Act& act,
                       const std::function<void(Registry&)>& check) {
    unsigned points = 0;
    for (unsigned at = 1;; ++at, ++points) {
      place_.clear();
      prepare(*place_.open());
      // What is left is the same as before the next write.
      if (!is_killed({at, true}, act)) break;
      settle();
      check(*place_.open());
      ASSERT_FALSE(HasFailure()) << "killed after write " << at;
    }
    EXPECT_GE(points, 5U);  // it is the real thing
    RecordProperty("points", static_cast<int>(points));
    printf("%u crash points\n", points);
  }

  bool is_killed(const RegistryFault& fault, const Act& act) const {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      const auto registry = open();
      watch_registry_writes(fault);
      act(*registry);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
  }

  /// A server may still be at work for a client that is dead.
  void settle() const {
    if (GetParam() != Backend::postgres) return;
    while (place_
               .run("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                    "pid <> pg_backend_pid()")
               .at(0)
               .number(0) > 0) {
      std::this_thread::sleep_for(milliseconds(1));
    }
  }

  [[nodiscard]] std::unique_ptr<Registry> open() const {
    return place_.open(seconds(60), postgres::Connections::one_each);
  }
  /// A broker of which only the lease counts; the same each time.
  static BrokerRecord broker(const Registry& registry, std::uint64_t number) {
    BrokerRecord broker = make_broker(registry);
    broker.id = digits(number);
    broker.process.boot = broker.id;
    return broker;
  }
  static TaskRecord task(Registry& registry, std::uint64_t number) {
    TaskFilter filter;
    filter.serial = digits(number);
    filter.ended_too = true;
    return registry.tasks(filter).at(0);
  }

  RegistryPlace place_{GetParam()};
};

TEST_P(Killed, OpeningSpendsAndOpensOrNeither) {
  const auto open_task = [](Registry& registry, std::uint64_t number) {
    registry.open_task(make_task(number, broker(registry, 1)), make_grant("jti"), "tester");
  };
  kill_everywhere([](Registry& r) { r.register_broker(broker(r, 1), kLongLease); },
                  [&](Registry& r) { open_task(r, 1); },
                  [&](Registry& r) {
                    const std::size_t lines = r.transitions(digits(1)).size();
                    TaskFilter all;
                    EXPECT_EQ(r.tasks(all).size(), lines);
                    EXPECT_EQ(
                        refusal_of([&] { open_task(r, 2); }),
                        lines == 1 ? std::optional(RegistryRefusal::grant_spent) : std::nullopt);
                    EXPECT_EQ(r.tasks(all).size(), 1U);
                  });
}

TEST_P(Killed, MoveIsRecordedOrDidNotHappen) {
  kill_everywhere(
      [](Registry& r) {
        r.register_broker(broker(r, 1), kLongLease);
        r.open_task(make_task(1, broker(r, 1)), std::nullopt, "tester");
        NewTask child = make_task(2, broker(r, 1));
        child.parent = digits(1);
        r.open_task(child, std::nullopt, "tester");
      },
      [](Registry& r) {
        r.move_task({digits(1), TaskState::closed, "done", "tester"});
      },
      [](Registry& r) {
        const bool moved = is_final(task(r, 1).state);
        EXPECT_EQ(r.transitions(digits(1)).size(), moved ? 2U : 1U);
        EXPECT_EQ(r.revocations(digits(1)).size(), moved ? 1U : 0U);
        EXPECT_EQ(r.move_task({digits(1), TaskState::closed, "done", "tester"}), !moved);
      });
}

TEST_P(Killed, WhatWasTakenOverIsNotForgotten) {
  kill_everywhere(
      [](Registry& r) {
        r.register_broker(broker(r, 1), kLongLease);
        for (std::uint64_t number : {1, 2, 3}) {
          r.open_task(make_task(number, broker(r, 1)), std::nullopt, "tester");
        }
        EXPECT_TRUE(r.renew_lease(digits(1), milliseconds(0)));
        r.register_broker(broker(r, 2), kLongLease);
        std::this_thread::sleep_for(milliseconds(3));
      },
      [](Registry& r) { static_cast<void>(r.take_over(broker(r, 2), TakeOverScope::lapsed)); },
      [](Registry& r) {
        EXPECT_TRUE(r.renew_lease(digits(2), milliseconds(0)));
        r.register_broker(broker(r, 3), kLongLease);
        std::this_thread::sleep_for(milliseconds(3));
        std::size_t tasks = 0;
        for (const TakenOver& taken : r.take_over(broker(r, 3), TakeOverScope::lapsed))
          tasks += taken.tasks.size();
        EXPECT_EQ(tasks, 3U);
        for (std::uint64_t number : {1, 2, 3}) {
          EXPECT_EQ(r.transitions(digits(number)).size(), 2U);
          EXPECT_EQ(task(r, number).state, TaskState::lost);
        }
      });
}

TEST_P(Killed, RevocationMeansTaskAndGrantOrNeither) {
  kill_everywhere(
      [](Registry& r) {
        r.register_broker(broker(r, 1), kLongLease);
        r.open_task(make_task(1, broker(r, 1)), make_grant("jti"), "tester");
      },
      [](Registry& r) {
        r.request_revocation({RevocationTarget::Kind::grant, "jti", "boss"}, "stolen", "admin");
      },
      [](Registry& r) {
        const bool revoked = task(r, 1).revocation_requested;
        EXPECT_EQ(refusal_of([&] {
                    r.open_task(make_task(2, broker(r, 1)), make_grant("jti"), "tester");
                  }),
                  revoked ? RegistryRefusal::grant_revoked : RegistryRefusal::grant_spent);
        EXPECT_EQ(r.revocations(digits(1)).size(), revoked ? 1U : 0U);
      });
}

TEST_P(Killed, BrokerEndsWithItsTasksOrNot) {
  kill_everywhere(
      [](Registry& r) {
        r.register_broker(broker(r, 1), kLongLease);
        r.open_task(make_task(1, broker(r, 1)), std::nullopt, "tester");
      },
      [](Registry& r) { r.end_broker(digits(1), "tester"); },
      [](Registry& r) { EXPECT_EQ(r.brokers().empty(), task(r, 1).state == TaskState::lost); });
}

TEST_P(Killed, TicketIsThereOrGone) {
  const Bytes hash(32, 1);
  kill_everywhere([&](Registry& r) { r.add_ticket(hash, "grant", unix_now_s() + 600); },
                  [&](Registry& r) { static_cast<void>(r.take_ticket(hash)); },
                  [&](Registry& r) {
                    const auto grant = r.take_ticket(hash);
                    EXPECT_TRUE(!grant || *grant == "grant");
                    EXPECT_EQ(r.take_ticket(hash), std::nullopt);
                  });
}

/// Making the tables is one transaction as well.
TEST_P(Killed, TablesAreMadeOrNot) {
  unsigned points = 0;
  for (unsigned at = 1;; ++at, ++points) {
    place_.clear();
    const pid_t child = fork();
    if (child == 0) {
      watch_registry_writes({at, true});
      static_cast<void>(open());
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status)) break;
    settle();
    const auto registry = place_.open();
    registry->register_broker(broker(*registry, 1), kLongLease);
    ASSERT_EQ(place_.open()->brokers().size(), 1U) << at;
  }
  EXPECT_GE(points, 10U);
  printf("%u crash points\n", points);
}

MAYFLY_ON_EVERY_DATABASE_AND_LOG(Killed);

}  // namespace
}  // namespace mayfly::test
