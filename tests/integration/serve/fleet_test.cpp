// Three brokers as on three machines, one PostgreSQL, one device that stores keys.
#include "integration/serve/fleet.h"

#include <fstream>
#include <future>
#include <thread>

#include <gmock/gmock.h>

#include "base/clock.h"
#include "support/test_approver.h"
#include "tools/exit_status.h"

namespace mayfly::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

// For what takes a lease and some work, on a busy machine.
constexpr seconds kPatience{40};

std::size_t count_in(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
  return count;
}

milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

class Fleet : public testing::Test {
 protected:
  void SetUp() override {
    for (FleetMember* member : {&a_, &b_, &c_}) {
      std::ofstream(member->folder() / "approvers.json") << jwk_set({approver_.jwk()});
      member->start();
    }
  }

  /// A task with a key, which the device stores.
  static OpenedTask open_with_key(const FleetMember& member, const std::string& id) {
    const OpenedTask task = member.broker().open(id);
    const Outcome outcome = ServedBroker::client(task, "generate");
    EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err << member.log();
    return task;
  }

  /// All tasks that there ever were, their states by their IDs, as a broker sees the fleet.
  static std::map<std::string, std::string> all_tasks(const FleetMember& member) {
    std::map<std::string, std::string> states;
    for (const auto& task : member.broker().ask({"list", "--all"})) {
      states[task.at("task")] = task.at("state");
    }
    return states;
  }

  [[nodiscard]] std::size_t keys_on_device() const {
    return token_.count_objects(CKO_PRIVATE_KEY) + token_.count_objects(CKO_PUBLIC_KEY);
  }

  /// A file with a grant for a task.
  std::string grant_for(const std::string& task, const std::string& jti) const {
    const std::uint64_t now = unix_now_s();
    const std::string text = approver_.token(nlohmann::json({{"iss", "https://approver.test"},
                                                             {"sub", "agent-7"},
                                                             {"aud", "fleet"},
                                                             {"jti", jti},
                                                             {"iat", now},
                                                             {"nbf", now},
                                                             {"exp", now + 600},
                                                             {"task", task},
                                                             {"ttl", 300}})
                                                 .dump());
    return folder_.write(jti, text).string();
  }

  TempFolder folder_;
  TestApprover approver_{grant::Algorithm::es256};
  SoftHsmToken token_;
  PostgresServer postgres_;
  const std::string url_ = postgres_.make_database();
  Relay relay_{url_};
  FleetMember a_{token_, relay_.url(), 'a'};
  FleetMember b_{token_, url_, 'b'};
  FleetMember c_{token_, url_, 'c'};
};

TEST_F(Fleet, EveryBrokerSeesAllTasksAndAKilledOnesKeysAreDestroyedByOneOther) {
  static_cast<void>(open_with_key(a_, "at a"));
  static_cast<void>(open_with_key(b_, "at b"));
  static_cast<void>(open_with_key(c_, "at c"));
  EXPECT_EQ(keys_on_device(), 6U);
  for (const FleetMember* member : {&a_, &b_, &c_}) {
    EXPECT_THAT(member->broker().list(), testing::SizeIs(3));
  }
  const auto start = steady_clock::now();
  a_.kill();
  EXPECT_TRUE(eventually([&] { return all_tasks(b_)["at a"] == "lost"; }, kPatience));
  std::cout << "lost after " << since(start).count() << " ms, with a lease of "
            << milliseconds(kFleetLease).count() << " ms\n";
  EXPECT_TRUE(eventually([&] { return keys_on_device() == 4; }, kPatience)) << b_.log() << c_.log();
  std::cout << "its keys were destroyed after " << since(start).count() << " ms\n";
  const std::string both = b_.log() + c_.log();
  EXPECT_EQ(count_in(both, "tasks of it are lost"), 1U) << both;
  EXPECT_TRUE(eventually([&] {
    return count_in(b_.log() + c_.log(), "may have left on the device is destroyed") == 1;
  }));
  EXPECT_THAT(b_.broker().list(),
              testing::UnorderedElementsAre(Pair("at b", "active"), Pair("at c", "active")));
  EXPECT_EQ(b_.broker().stop(), 0);
  EXPECT_EQ(c_.broker().stop(), 0);
  EXPECT_EQ(keys_on_device(), 0U);
}

TEST_F(Fleet, ARevocationAtOneBrokerIsObeyedByAnother) {
  static_cast<void>(open_with_key(c_, "wanted"));
  static_cast<void>(open_with_key(c_, "other"));
  const auto start = steady_clock::now();
  const auto answer = b_.broker().ask({"revoke", "--task", "wanted", "--reason", "stolen"});
  const milliseconds taken = since(start);
  std::cout << "obeyed elsewhere after " << taken.count() << " ms\n";
  EXPECT_LT(taken, seconds(5)) << "1 s where the machine does nothing else";
  EXPECT_EQ(answer.at("tasks").at(0).at("state"), "revoked");
  EXPECT_EQ(keys_on_device(), 2U);
  const auto shown = b_.broker().ask({"show", "--task", "wanted"}).at(0);
  const auto& last = shown.at("transitions").back();
  EXPECT_EQ(last.at("to"), "revoked");
  EXPECT_EQ(last.at("actor"), "user 0");
  EXPECT_THAT(last.at("cause").get<std::string>(), HasSubstr("stolen"));
  EXPECT_THAT(c_.broker().list(), testing::ElementsAre(Pair("other", "active")));
}

TEST_F(Fleet, OfTwoIssuersGrantsOfOneNameTheOneThatIsMeantIsRevoked) {
  const std::string grant = grant_for("granted", "jti-1");
  ASSERT_EQ(b_.broker().mayfly({"open", "--task", "granted", "--grant", grant}).status, 0);
  const auto revoke = [&](const std::string& issuer) {
    return b_.broker()
        .ask({"revoke", "--grant", "jti-1", "--issuer", issuer, "--reason", "stolen"})
        .at("tasks")
        .size();
  };
  EXPECT_EQ(revoke("https://other.test"), 0U);
  EXPECT_EQ(all_tasks(b_)["granted"], "open");
  EXPECT_EQ(revoke("https://approver.test"), 1U);
  EXPECT_TRUE(eventually([&] { return all_tasks(c_)["granted"] == "revoked"; }));
}

TEST_F(Fleet, AnOperatorWithoutABrokerReachesAllOfThem) {
  static_cast<void>(open_with_key(b_, "at b"));
  static_cast<void>(open_with_key(c_, "at c"));
  // The configuration of a machine whose broker has ended.
  EXPECT_EQ(a_.broker().stop(), 0);
  const auto answer = a_.broker().ask({"revoke", "--all", "--reason", "drill"});
  EXPECT_EQ(answer.at("tasks").size(), 2U);
  EXPECT_TRUE(eventually([&] { return keys_on_device() == 0; }));
  EXPECT_THAT(a_.broker().list(), testing::IsEmpty());
}

TEST_F(Fleet, ABrokerThatIsCutOffLosesItsTasksAndOpensNoneAndComesBack) {
  static_cast<void>(open_with_key(a_, "before"));
  const OpenedTask local = open_with_key(a_, "local");
  const std::string grant = grant_for("granted", "jti-1");
  relay_.cut();
  const Outcome refused = a_.broker().mayfly({"open", "--task", "granted", "--grant", grant});
  EXPECT_EQ(refused.status, tools::kTryAgain) << refused.err << a_.log();
  // A local command ends what is here, and says that the others were not told.
  const Outcome revoked =
      a_.broker().mayfly({"revoke", "--serial", local.serial, "--reason", "stolen"});
  EXPECT_EQ(revoked.status, tools::kTryAgain);
  EXPECT_THAT(revoked.out, HasSubstr("revoked  keys destroyed 1, pending 0")) << revoked.err;
  // The others take it for dead, and use the grant.
  EXPECT_TRUE(eventually([&] { return all_tasks(b_)["before"] == "lost"; }, kPatience));
  EXPECT_TRUE(eventually([&] { return keys_on_device() == 0; }, kPatience)) << b_.log() << c_.log();
  EXPECT_EQ(b_.broker().mayfly({"open", "--task", "granted", "--grant", grant}).status, 0);
  relay_.heal();
  EXPECT_TRUE(eventually(
      [&] { return a_.log().find("task before ended (lost)") != std::string::npos; }, kPatience))
      << a_.log();
  EXPECT_TRUE(eventually(
      [&] {
        return a_.broker().mayfly({"open", "--task", "after"}).status == 0;
      },
      kPatience));
  EXPECT_EQ(a_.broker().mayfly({"open", "--task", "granted", "--grant", grant}).status,
            tools::kGrantRefused);
  std::size_t granted = 0;
  for (const auto& task : b_.broker().ask({"list", "--all"})) {
    if (task.at("task") == "granted") ++granted;
  }
  EXPECT_EQ(granted, 1U) << "a grant opens one task";
  EXPECT_EQ(keys_on_device(), 0U);
  EXPECT_THAT(all_tasks(b_), Contains(Pair("after", "open")));
}

TEST_F(Fleet, ATaskThatHadOthersBelowItIsRevokedAtOnceWhileTheDatabaseHangs) {
  const OpenedTask task = a_.broker().open("above");
  const HoldingClient client(task);
  const Outcome below =
      run({MAYFLY_PROGRAM, "run", "--task", "below", "--", "true"}, {{"MAYFLY_SOCKET", task.door}});
  ASSERT_EQ(below.status, 0) << below.err << a_.log();
  ASSERT_TRUE(eventually([&] { return all_tasks(b_)["below"] == "closed"; }, kPatience));
  EXPECT_EQ(keys_on_device(), 2U);
  relay_.cut();
  // The worker's thread waits for the database by then, as long as the registry's time-out of 5 s.
  std::this_thread::sleep_for(milliseconds(1'500));
  const auto start = steady_clock::now();
  auto revoked = std::async(std::launch::async, [&] {
    return a_.broker().mayfly({"revoke", "--task", "above", "--reason", "stolen"});
  });
  EXPECT_TRUE(eventually([&] { return keys_on_device() == 0; }, seconds(3))) << a_.log();
  std::cout << "its keys were destroyed after " << since(start).count() << " ms\n";
  const Outcome outcome = revoked.get();
  EXPECT_EQ(outcome.status, tools::kTryAgain) << "the others were not told";
  EXPECT_THAT(outcome.out, HasSubstr("revoked  keys destroyed 1, pending 0")) << outcome.err;
}

TEST_F(Fleet, OpenTasksGoOnWhileTheDatabaseIsDownAndItIsToldLater) {
  const OpenedTask task = open_with_key(b_, "t");
  const OpenedTask closed = open_with_key(b_, "closed");
  static_cast<void>(open_with_key(c_, "stolen"));
  postgres_.kill();
  EXPECT_EQ(ServedBroker::client(task, "count").out, "1\n");
  EXPECT_EQ(b_.broker().mayfly({"close", "--serial", closed.serial}).status, 0);
  EXPECT_EQ(b_.broker()
                .mayfly({"revoke", "--task", "stolen", "--reason", "stolen while it was down"})
                .status,
            tools::kTryAgain);
  EXPECT_EQ(keys_on_device(), 4U);
  postgres_.start();
  EXPECT_TRUE(eventually([&] { return keys_on_device() == 2; }, kPatience))
      << "the other broker is told of the revocation" << b_.log() << c_.log();
  EXPECT_TRUE(eventually(
      [&] {
        const Outcome outcome = c_.broker().mayfly({"show", "--task", "closed", "--json"});
        return outcome.status == 0 &&
               nlohmann::json::parse(outcome.out).at(0).at("state") == "closed";
      },
      kPatience))
      << b_.log();
}

}  // namespace
}  // namespace mayfly::test
