// Opening tasks by grants: what a grant allows, when it is spent, and what is written down.
#include <thread>

#include <gtest/gtest.h>

#include "core/application.h"
#include "support/failure_of.h"
#include "unit/core/fake_book.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const SecretBuffer> secret(std::string_view text) {
  return std::make_shared<const SecretBuffer>(as_bytes(text));
}

class TaskOpeningTest : public ::testing::Test {
 protected:
  explicit TaskOpeningTest(TaskLimits limits = {})
      : tasks(device, std::move(limits), nullptr, book) {}

  CK_RV open(const TaskRequest& request) {
    return test::answer_of([&] { tasks.open(request); });
  }
  TaskRequest granted(const std::string& id, std::string_view text = "grant") {
    TaskRequest request{id, std::nullopt};
    request.grant = secret(text);
    return request;
  }
  [[nodiscard]] std::vector<TaskState> recorded() const {
    std::vector<TaskState> states;
    for (const TaskMove& move : book->moves) states.push_back(move.to);
    return states;
  }

  test::FakeDevice device;
  std::shared_ptr<test::FakeBook> book = std::make_shared<test::FakeBook>();
  TaskTable tasks;
};

TEST_F(TaskOpeningTest, AGrantConfinesItsTask) {
  book->granted.policy = {.max_keys = 2, .max_signatures = 7, .max_ttl = 30s};
  const auto task = tasks.open(granted("t"));
  EXPECT_EQ(task->policy().max_signatures, 7U);
  EXPECT_EQ(task->policy().max_keys, 2U);
  EXPECT_LE(task->deadline() - BootClock::now(), 30s) << "its ttl holds where none is asked for";
  EXPECT_EQ(task->origin().agent, "agent");
  EXPECT_EQ(task->origin().grant_id, "jti");
  ASSERT_EQ(book->openings.size(), 1U);
  EXPECT_EQ(book->openings[0].serial, task->serial());
  EXPECT_EQ(book->openings[0].deadline_unix_s, task->deadline_unix_s());
}

TEST_F(TaskOpeningTest, NoMoreTimeThanTheGrantAllowsIsGiven) {
  book->granted.policy.max_ttl = 30s;
  TaskRequest request = granted("t");
  request.ttl = 31s;
  EXPECT_EQ(open(request), CKR_ARGUMENTS_BAD);
  EXPECT_FALSE(book->spent) << "what is refused spends nothing";
  request.ttl = 30s;
  EXPECT_EQ(open(request), CKR_OK);
}

TEST_F(TaskOpeningTest, WhatTheConfigurationForbidsNoGrantAllows) {
  book->granted.policy.max_signatures = 100;
  TaskRequest request = granted("t");
  request.policy.max_signatures = 5;
  EXPECT_EQ(tasks.open(request)->policy().max_signatures, 5U);
}

TEST_F(TaskOpeningTest, AGrantIsSpentOnce) {
  EXPECT_EQ(open(granted("t", "no grant")), CKR_PIN_INCORRECT);
  EXPECT_EQ(open(granted("t")), CKR_OK);
  EXPECT_EQ(open(granted("u")), CKR_PIN_EXPIRED);
  EXPECT_EQ(tasks.slots().size(), 1U);
}

TEST_F(TaskOpeningTest, AnIdThatIsTakenSpendsNothing) {
  ASSERT_EQ(open({"t", {}}), CKR_OK);
  EXPECT_EQ(open(granted("t")), CKR_FUNCTION_REJECTED);
  EXPECT_FALSE(book->spent);
}

TEST_F(TaskOpeningTest, WhatCantBeRecordedIsNotOpenedAndLeavesItsIdFree) {
  book->can_record = false;
  EXPECT_EQ(open(granted("t")), CKR_FUNCTION_FAILED);
  EXPECT_TRUE(tasks.slots().empty());
  book->can_record = true;
  EXPECT_EQ(open(granted("t")), CKR_OK);
}

TEST_F(TaskOpeningTest, WhatBecomesOfATaskIsRecorded) {
  const auto task = tasks.open({"t", {}});
  EXPECT_EQ(recorded(), std::vector<TaskState>());
  task->generate(*task->open_scope(), {CKK_EC, 256});
  task->generate(*task->open_scope(), {CKK_EC, 256});
  EXPECT_EQ(recorded(), std::vector<TaskState>{TaskState::active}) << "of two keys the first";
  tasks.end(task->slot(), TaskState::closed);
  ASSERT_EQ(recorded(), (std::vector<TaskState>{TaskState::active, TaskState::closed}));
  EXPECT_EQ(book->moves[1].destroyed, 2U);
  EXPECT_EQ(book->moves[1].pending, 0U);
}

TEST_F(TaskOpeningTest, AnOrderToEndIsObeyed) {
  const auto first = tasks.open({"first", {}});
  const auto second = tasks.open({"second", {}});
  book->orders = {first->serial(), "0000000000000000"};
  tasks.obey_orders();
  EXPECT_EQ(first->state(), TaskState::revoked);
  EXPECT_EQ(second->state(), TaskState::open);
}

TEST_F(TaskOpeningTest, ManyThreadsWithOneIdGetOneTask) {
  std::vector<std::jthread> openers;
  std::atomic<int> opened{0};
  for (int i = 0; i < 8; ++i) {
    openers.emplace_back([&] { opened += open({"t", {}}) == CKR_OK ? 1 : 0; });
  }
  openers.clear();
  EXPECT_EQ(opened, 1);
  EXPECT_EQ(book->openings.size(), 1U) << "only what gets a token is recorded";
}

/// Grants are required, and the task of these tests got none when it was opened.
class AwaitedGrantTest : public TaskOpeningTest {
 protected:
  AwaitedGrantTest() : TaskOpeningTest({.policy = {.grant_required = true}}) {}

  CK_RV login(std::string_view pin) {
    return test::answer_of([&] { task->check_pin(as_bytes(pin)); });
  }
  CK_RV generate(const Attributes& private_wanted = {}) {
    return test::answer_of([&] {
      session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(), private_wanted);
    });
  }
  static TaskRequest request() {
    TaskRequest wanted{"t", std::nullopt};
    wanted.grant_may_follow = true;
    return wanted;
  }

  std::shared_ptr<Task> task = tasks.open(request());
  Application application{tasks, 100};
  std::shared_ptr<Session> session =
      application.session(application.open_session(task->slot(), true));
};

TEST_F(AwaitedGrantTest, MayOnlyFollowWhereThatIsSaid) {
  EXPECT_EQ(open({"u", {}}), CKR_FUNCTION_REJECTED);
}

TEST_F(AwaitedGrantTest, MakesNoKeysBefore) {
  EXPECT_EQ(generate(), CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(test::answer_of([&] {
              task->generate(*task->open_scope(), {CKK_EC, 256});
            }),
            CKR_USER_NOT_LOGGED_IN)
      << "whatever its template says";
  EXPECT_EQ(device.state.asked, 0);
  EXPECT_TRUE(book->openings.empty()) << "nothing is recorded of what may never be allowed";
}

TEST_F(AwaitedGrantTest, IsTakenAsThePin) {
  EXPECT_EQ(login("wrong"), CKR_PIN_INCORRECT);
  EXPECT_NE(task->login_flags() & CKF_LOGIN_REQUIRED, 0U);
  book->granted.policy = {.max_keys = 1, .max_signatures = 7, .max_ttl = 30s};
  EXPECT_EQ(login("grant"), CKR_OK);
  EXPECT_EQ(task->policy().max_signatures, 7U);
  EXPECT_LE(task->deadline() - BootClock::now(), 30s);
  EXPECT_EQ(tasks.next_deadline(), task->deadline());
  EXPECT_EQ(task->login_flags() & CKF_LOGIN_REQUIRED, 0U);
  ASSERT_EQ(book->openings.size(), 1U);
  EXPECT_EQ(book->openings[0].deadline_unix_s, task->deadline_unix_s());
  EXPECT_EQ(generate(), CKR_OK);
  EXPECT_EQ(generate(), CKR_DEVICE_MEMORY);
}

TEST_F(AwaitedGrantTest, NeverLengthensTheTask) {
  book->granted.policy.max_ttl = 24h;
  const auto before = task->deadline();
  EXPECT_EQ(login("grant"), CKR_OK);
  EXPECT_EQ(task->deadline(), before);
}

TEST_F(AwaitedGrantTest, ASpentOneLeavesTheTaskAsItWas) {
  book->spent = true;
  EXPECT_EQ(login("grant"), CKR_PIN_EXPIRED);
  EXPECT_TRUE(task->awaits_grant());
  EXPECT_EQ(generate(), CKR_USER_NOT_LOGGED_IN);
}

TEST_F(AwaitedGrantTest, OfManyLoginsAtOnceOneSpendsIt) {
  std::vector<std::jthread> clients;
  std::atomic<int> in{0};
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] { in += login("grant") == CKR_OK ? 1 : 0; });
  }
  clients.clear();
  EXPECT_EQ(book->openings.size(), 1U);
  EXPECT_EQ(in, 8) << "once it has come no login is required";
}

TEST_F(AwaitedGrantTest, ATaskThatNeverGotItEndsUnrecorded) {
  tasks.end(task->slot(), TaskState::closed);
  EXPECT_TRUE(book->moves.empty());
}

TEST_F(AwaitedGrantTest, LetsNoTaskBeOpenedBelowIt) {
  EXPECT_EQ(test::answer_of([&] { tasks.open({"below", {}}, task); }), CKR_FUNCTION_REJECTED);
}

}  // namespace
}  // namespace mayfly
