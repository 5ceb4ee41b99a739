// Sixteen processes that want the same at the same moment: one gets it.
#include "integration/registry/process_team.h"
#include "integration/registry/registry_test.h"
#include "support/rounds.h"

namespace mayfly::test {
namespace {

constexpr unsigned kMembers = 16;

class Race : public testing::TestWithParam<Backend> {
 protected:
  /// A broker, and the registry as its process has it.
  struct Member {
    std::unique_ptr<Registry> registry;
    BrokerRecord broker;
  };
  std::shared_ptr<Member> member() const {
    auto member = std::make_shared<Member>();
    member->registry = place_.open();
    member->broker = make_broker(*member->registry);
    member->broker.process.boot = member->broker.id;  // so that nothing but the lease counts
    member->registry->register_broker(member->broker, kLongLease);
    return member;
  }

  RegistryPlace place_{GetParam()};
  const unsigned rounds_ = static_cast<unsigned>(rounds());
};

TEST_P(Race, OneGrantOpensOneTask) {
  const Shared<std::atomic<unsigned>> wins(rounds_);
  const Shared<std::atomic<unsigned>> refusals(rounds_);
  EXPECT_TRUE(ProcessTeam::play(kMembers, rounds_, [&](unsigned number) {
    return [&, number, self = member()](unsigned round) {
      const auto refused = refusal_of([&] {
        self->registry->open_task(make_task(1 + round * kMembers + number, self->broker),
                                  make_grant("jti " + std::to_string(round)), "racer");
      });
      if (refused && *refused != RegistryRefusal::grant_spent) {
        throw std::runtime_error("refused for another reason");
      }
      ++(refused ? refusals : wins)[round];
    };
  }));
  for (unsigned round = 0; round < rounds_; ++round) {
    EXPECT_EQ(wins[round], 1U) << round;
    EXPECT_EQ(refusals[round], kMembers - 1) << round;
  }
  TaskFilter all;
  all.most = 100'000;
  EXPECT_EQ(place_.open()->tasks(all).size(), rounds_);
  RecordProperty("rounds", static_cast<int>(rounds_));
}

TEST_P(Race, OneTakesOverADeadBroker) {
  constexpr unsigned kTasks = 3;
  const unsigned rounds = std::max(1U, rounds_ / 4);
  const auto registry = place_.open();
  std::vector<std::string> victims;
  for (unsigned round = 0; round < rounds; ++round) {
    BrokerRecord victim = make_broker(*registry);
    victim.process.boot = victim.id;
    registry->register_broker(victim, kLongLease);
    for (unsigned task = 0; task < kTasks; ++task) {
      registry->open_task(make_task(1 + round * kTasks + task, victim), std::nullopt, "racer");
    }
    victims.push_back(victim.id);
  }
  const Shared<std::atomic<unsigned>> brokers(rounds);
  const Shared<std::atomic<unsigned>> tasks(rounds);
  const Shared<std::atomic<bool>> late(rounds);
  EXPECT_TRUE(ProcessTeam::play(kMembers, rounds, [&](unsigned) {
    return [&, self = member()](unsigned round) {
      // The first who comes lets the lease run out; all go on until it has.
      if (!late[round].exchange(true) &&
          !self->registry->renew_lease(victims[round], milliseconds(0))) {
        throw std::runtime_error("the victim was gone before its time");
      }
      for (bool gone = false; !gone;) {
        for (const TakenOver& taken :
             self->registry->take_over(self->broker, TakeOverScope::lapsed)) {
          if (taken.broker.id != victims[round]) throw std::runtime_error("another broker");
          ++brokers[round];
          tasks[round] += static_cast<unsigned>(taken.tasks.size());
        }
        TaskFilter filter;
        filter.broker = victims[round];
        gone = self->registry->tasks(filter).empty();
      }
    };
  }));
  for (unsigned round = 0; round < rounds; ++round) {
    EXPECT_EQ(brokers[round], 1U) << round;
    EXPECT_EQ(tasks[round], kTasks) << round;
  }
  for (unsigned task = 1; task <= rounds * kTasks; ++task) {
    EXPECT_EQ(registry->transitions(digits(task)).size(), 2U);
  }
}

TEST_P(Race, OneTicketIsTakenOnce) {
  const unsigned rounds = std::max(1U, rounds_ / 4);
  const auto hash = [](unsigned round) {
    Bytes bytes(32, static_cast<std::uint8_t>(round));
    bytes[0] = static_cast<std::uint8_t>(round >> 8);
    return bytes;
  };
  {
    const auto registry = place_.open();
    for (unsigned round = 0; round < rounds; ++round) {
      registry->add_ticket(hash(round), "grant", unix_now_s() + 3'600);
    }
  }
  const Shared<std::atomic<unsigned>> taken(rounds);
  EXPECT_TRUE(ProcessTeam::play(kMembers, rounds, [&](unsigned) {
    return [&, self = member()](unsigned round) {
      if (self->registry->take_ticket(hash(round))) ++taken[round];
    };
  }));
  for (unsigned round = 0; round < rounds; ++round) EXPECT_EQ(taken[round], 1U) << round;
}

/// A revocation and an opening below what is revoked: whichever comes first, nothing escapes.
TEST_P(Race, NothingIsOpenedBelowWhatIsRevoked) {
  const unsigned rounds = std::max(1U, rounds_ / 4);
  {
    const auto registry = place_.open();
    BrokerRecord above = make_broker(*registry);
    registry->register_broker(above, kLongLease);
    for (unsigned round = 0; round < rounds; ++round) {
      registry->open_task(make_task(1'000'000 + round, above), std::nullopt, "racer");
    }
  }
  EXPECT_TRUE(ProcessTeam::play(4, rounds, [&](unsigned number) {
    return [&, number, self = member()](unsigned round) {
      const std::string parent = digits(1'000'000 + round);
      if (number == 0) {
        self->registry->request_revocation({RevocationTarget::Kind::serial, parent, ""}, "r", "a");
        return;
      }
      NewTask child = make_task(1 + round * 4 + number, self->broker);
      child.parent = parent;
      refusal_of([&] { self->registry->open_task(child, std::nullopt, "racer"); });
    };
  }));
  TaskFilter all;
  all.most = 100'000;
  for (const TaskRecord& task : place_.open()->tasks(all)) {
    EXPECT_TRUE(task.revocation_requested) << task.serial;
  }
}

TEST_P(Race, ManyMakeTheTablesTogether) {
  EXPECT_TRUE(ProcessTeam::play(kMembers, 1, [&](unsigned) {
    return [&](unsigned) {
      if (!place_.open()->brokers().empty()) throw std::runtime_error("not empty");
    };
  }));
  const std::string host = place_.open()->host();
  EXPECT_EQ(place_.open()->host(), host);
}

MAYFLY_ON_EVERY_DATABASE_AND_LOG(Race);

}  // namespace
}  // namespace mayfly::test
