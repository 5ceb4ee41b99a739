// Tasks below tasks: only ever tighter, and never longer than what is above them.
#include <array>
#include <thread>

#include <gtest/gtest.h>

#include "core/application.h"
#include "support/failure_of.h"
#include "unit/core/fake_book.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

using namespace std::chrono_literals;
using test::kSomeDigest;

class NestedTasksTest : public ::testing::Test {
 protected:
  std::shared_ptr<Task> open(const std::string& id, TaskPolicy policy = {},
                             const std::shared_ptr<Task>& parent = nullptr) {
    return tasks.open({id, std::nullopt, std::move(policy)}, parent);
  }
  CK_RV try_open(const TaskRequest& request, const std::shared_ptr<Task>& parent) {
    return test::answer_of([&] { tasks.open(request, parent); });
  }
  static std::shared_ptr<SessionKey> generate(const std::shared_ptr<Task>& task) {
    return task->generate(*task->open_scope(), {CKK_EC, 256});
  }
  CK_RV sign(const std::shared_ptr<Task>& task) {
    return test::answer_of([&] {
      const auto session = application.session(application.open_session(task->slot(), true));
      const auto pair =
          session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(), {});
      std::array<std::uint8_t, 64> out{};
      sign_prepared(session->token(), {CKM_ECDSA, {}}, pair.private_key, kSomeDigest, out);
    });
  }

  test::FakeDevice device;
  std::shared_ptr<test::FakeBook> book = std::make_shared<test::FakeBook>();
  TaskTable tasks{device, {}, nullptr, book};
  Application application{tasks, 100};
};

TEST_F(NestedTasksTest, EndWithTheOneAboveDeepestFirst) {
  const auto top = open("top");
  const auto middle = open("middle", {}, top);
  const auto bottom = open("bottom", {}, middle);
  const auto other = open("other");
  for (const auto& task : {top, middle, bottom}) generate(task);
  const auto report = tasks.end(top->slot(), TaskState::revoked);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->destroyed, 3U);
  EXPECT_EQ(device.state.living, 0);
  EXPECT_EQ(bottom->state(), TaskState::revoked);
  EXPECT_EQ(other->state(), TaskState::open);
  std::vector<std::string> ended;
  for (const TaskMove& move : book->moves) {
    if (is_final(move.to)) ended.push_back(move.id);
  }
  EXPECT_EQ(ended, (std::vector<std::string>{"bottom", "middle", "top"}));
  EXPECT_EQ(tasks.slots(), std::vector<SlotId>{other->slot()});
}

TEST_F(NestedTasksTest, EndWithoutTheOneAbove) {
  const auto top = open("top");
  const auto below = open("below", {}, top);
  tasks.end(below->slot(), TaskState::closed);
  EXPECT_EQ(top->state(), TaskState::open);
  EXPECT_TRUE(open("below", {}, top)) << "its ID is free again";
}

TEST_F(NestedTasksTest, AreNotOpenedBelowWhatHasEnded) {
  const auto top = open("top");
  tasks.end(top->slot(), TaskState::closed);
  EXPECT_EQ(try_open({"below", {}}, top), CKR_DEVICE_REMOVED);
  EXPECT_TRUE(tasks.slots().empty());
}

TEST_F(NestedTasksTest, LiveNoLonger) {
  const auto top = tasks.open({"top", 60s});
  const auto below = open("below", {}, top);
  EXPECT_EQ(below->deadline(), top->deadline());
  EXPECT_LE(below->deadline_unix_s(), top->deadline_unix_s());
  EXPECT_EQ(try_open({"longer", 61s}, top), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(try_open({"shorter", 30s}, top), CKR_OK);
}

TEST_F(NestedTasksTest, InheritThePolicy) {
  const auto top = open("top", {.mechanisms = {}, .max_signatures = 5});
  const auto below = open("below", {.max_signatures = 9}, top);
  EXPECT_EQ(below->policy().max_signatures, 5U);
  EXPECT_EQ(below->policy().mechanisms, MechanismSet());
  EXPECT_EQ(open("tighter", {.max_signatures = 2}, top)->policy().max_signatures, 2U);
}

TEST_F(NestedTasksTest, GoAsDeepAsThePolicyAllows) {
  const auto top = open("top", {.max_depth = 1});
  const auto below = open("below", {.max_depth = 9}, top);
  EXPECT_EQ(below->policy().max_depth, 0U);
  EXPECT_EQ(try_open({"deeper", {}}, below), CKR_FUNCTION_REJECTED);
  EXPECT_EQ(try_open({"beside", {}}, top), CKR_OK);
}

TEST_F(NestedTasksTest, TakeTheirSignaturesFromTheOneAbove) {
  const auto top = open("top", {.max_signatures = 3});
  const auto left = open("left", {}, top);
  const auto right = open("right", {.max_signatures = 2}, top);
  EXPECT_EQ(sign(left), CKR_OK);
  EXPECT_EQ(sign(right), CKR_OK);
  EXPECT_EQ(sign(left), CKR_OK);
  EXPECT_EQ(top->state(), TaskState::exhausted) << "the third of all was its last";
  EXPECT_TRUE(is_final(right->state()));
  EXPECT_TRUE(tasks.slots().empty());
  EXPECT_EQ(device.state.living, 0);
}

TEST_F(NestedTasksTest, AFailedSignatureIsGivenBackAllTheWayUp) {
  const auto top = open("top", {.max_signatures = 1});
  const auto below = open("below", {}, top);
  below->permit_signature();
  EXPECT_EQ(test::answer_of([&] { below->permit_signature(); }), CKR_FUNCTION_REJECTED);
  below->settle_signature(false);
  EXPECT_EQ(sign(below), CKR_OK);
}

TEST_F(NestedTasksTest, TakeTheirKeysFromTheOneAbove) {
  const auto top = open("top", {.max_keys = 2});
  const auto below = open("below", {.max_keys = 1}, top);
  generate(below);
  EXPECT_EQ(test::answer_of([&] { generate(below); }), CKR_DEVICE_MEMORY);
  generate(top);
  EXPECT_EQ(test::answer_of([&] { generate(top); }), CKR_DEVICE_MEMORY);
}

TEST_F(NestedTasksTest, NeedNoGrantOfTheirOwnBelowOneThatHasIt) {
  TaskRequest request{"top", {}, {.grant_required = true}};
  request.grant = std::make_shared<const SecretBuffer>(as_bytes("grant"));
  book->granted.policy.max_depth = 1;
  const auto top = tasks.open(request);
  EXPECT_EQ(try_open({"below", {}, {.grant_required = true}}, top), CKR_OK);
  EXPECT_EQ(book->openings.at(1).parent, top->serial());
  EXPECT_EQ(book->parents.at(1), "top") << "the book is told what is above";
}

TEST_F(NestedTasksTest, MakeNothingMoreOnceTheOneAboveHasEnded) {
  const auto top = open("top");
  const auto slow = open("slow", {}, top);
  const auto next = open("next", {}, top);
  const auto session = application.session(application.open_session(next->slot(), true));
  const auto pair =
      session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(), {});
  std::atomic<bool> begun{false};
  std::atomic<bool> released{false};
  device.state.on_generate = [&] {
    if (!begun.exchange(true)) released.wait(false);
  };
  std::jthread maker([&] { EXPECT_THROW(generate(slow), Error); });
  while (!begun) std::this_thread::yield();
  std::jthread ender([&] { tasks.end(top->slot(), TaskState::revoked); });
  while (!is_final(top->state())) std::this_thread::yield();
  // The end waits for the key of the first below; that of the second is to be destroyed yet.
  std::array<std::uint8_t, 64> out{};
  EXPECT_NE(test::answer_of([&] {
              sign_prepared(session->token(), {CKM_ECDSA, {}}, pair.private_key, kSomeDigest, out);
            }),
            CKR_OK);
  EXPECT_EQ(test::answer_of([&] { generate(next); }), CKR_DEVICE_REMOVED);
  released = true;
  released.notify_all();
}

TEST_F(NestedTasksTest, AnEndAndOpeningsBelowRace) {
  for (int round = 0; round < 50; ++round) {
    const auto top = open("top");
    std::atomic<bool> begun{false};
    std::jthread opener([&] {
      for (int i = 0; i < 20; ++i) {
        begun = true;
        static_cast<void>(try_open({"below " + std::to_string(i), {}}, top));
      }
    });
    while (!begun) std::this_thread::yield();
    tasks.end(top->slot(), TaskState::closed);
    EXPECT_TRUE(tasks.slots().empty()) << "nothing below it outlives its end";
    opener.join();
    EXPECT_TRUE(tasks.slots().empty());
  }
}

}  // namespace
}  // namespace mayfly
