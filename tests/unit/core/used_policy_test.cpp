// What a task's policy allows is counted exactly, whatever becomes of what was asked for.
#include <array>
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "core/application.h"
#include "support/failure_of.h"
#include "unit/core/fake_book.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

using test::kSomeDigest;

/// A task under a policy, and a key in it.
class UsedPolicy {
 public:
  explicit UsedPolicy(TaskPolicy policy)
      : task(tasks.open({"task", std::nullopt, std::move(policy)})) {}

  KeyPairHandles generate(const Attributes& private_wanted = {}) {
    return session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(),
                                      private_wanted);
  }
  CK_RV sign(const std::shared_ptr<Session>& with) {
    std::array<std::uint8_t, 64> out{};
    return test::answer_of([&] {
      sign_prepared(with->token(), {CKM_ECDSA, {}}, key, kSomeDigest, out);
    });
  }
  CK_RV sign() { return sign(session); }

  test::FakeDevice device;
  TaskTable tasks{device, {}, nullptr};
  std::shared_ptr<Task> task;
  Application application{tasks, 100};
  std::shared_ptr<Session> session =
      application.session(application.open_session(task->slot(), true));
  ObjectHandle key = generate().private_key;
};

TEST(MaxSignatures, TheLastOneReachesItsCallerAndEndsTheTask) {
  UsedPolicy used({.max_signatures = 3});
  EXPECT_EQ(used.sign(), CKR_OK);
  EXPECT_EQ(used.sign(), CKR_OK);
  EXPECT_EQ(used.task->state(), TaskState::active);
  EXPECT_EQ(used.sign(), CKR_OK);
  EXPECT_EQ(used.task->state(), TaskState::exhausted);
  EXPECT_EQ(used.device.state.living, 0) << "its keys are destroyed before the call returns";
  EXPECT_EQ(used.sign(), CKR_SESSION_HANDLE_INVALID);
}

TEST(MaxSignatures, CountsEachSignatureAndNoQueryNorVerification) {
  UsedPolicy used({.max_signatures = 4});
  Session& session = *used.session;
  const MechanismChoice hashing{CKM_ECDSA_SHA256, {}};
  std::array<std::uint8_t, 64> out{};
  for (int i = 0; i < 10; ++i) {
    session.sign_init(hashing, used.key);
    EXPECT_EQ(session.signature_size(), 64U);
    session.sign_update(kSomeDigest);
    EXPECT_TRUE(session.cancel(CKF_SIGN)) << "begun and given up";
  }
  session.sign_init(hashing, used.key);
  session.sign_update(kSomeDigest);
  EXPECT_EQ(session.sign_final(out), 64U);  // the first
  session.message_sign_init(hashing, used.key);
  EXPECT_EQ(session.sign_message(kSomeDigest, out), 64U);  // the second
  session.sign_message_begin();
  session.sign_message_next(kSomeDigest);
  EXPECT_EQ(session.sign_message_last(kSomeDigest, out), 64U);  // the third
  session.sign_message_begin();
  session.cancel_message(CKF_MESSAGE_SIGN);
  session.message_sign_final();
  EXPECT_EQ(used.task->state(), TaskState::active);
  session.sign_init({CKM_ECDSA, {}}, used.key);
  EXPECT_EQ(session.sign(kSomeDigest, out), 64U);  // the fourth
  EXPECT_EQ(used.task->state(), TaskState::exhausted);
}

TEST(MaxSignatures, OnlyWhatCertainlyMadeNoneIsNotCounted) {
  struct Case {
    CK_RV answer;
    bool counts;
  };
  const Case cases[] = {
      {CKR_DATA_LEN_RANGE, false}, {CKR_DATA_INVALID, false}, {CKR_MECHANISM_INVALID, false},
      {CKR_SESSION_COUNT, false},  {CKR_DEVICE_ERROR, true},  {CKR_FUNCTION_FAILED, true},
      {CKR_GENERAL_ERROR, true},   {CKR_HOST_MEMORY, true},   {CKR_FUNCTION_CANCELED, true},
  };
  for (const Case& test : cases) {
    UsedPolicy used({.max_signatures = 2});
    used.device.state.on_sign = [&] { throw Error(test.answer, "the fake device refuses"); };
    EXPECT_NE(used.sign(), CKR_OK);
    used.device.state.on_sign = nullptr;
    EXPECT_EQ(used.sign(), CKR_OK);
    EXPECT_EQ(used.task->state() == TaskState::exhausted, test.counts) << test.answer;
  }
}

TEST(MaxSignatures, ASignatureThatIsWithheldCounts) {
  UsedPolicy used({.max_signatures = 1});
  Attributes on_token;
  on_token.set_flag(CKA_TOKEN, true);
  used.session->login(as_bytes("any"));
  used.key = used.generate(on_token).private_key;
  used.device.state.on_sign = [&] { used.session->logout(); };
  EXPECT_EQ(used.sign(), CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(used.task->state(), TaskState::exhausted);
}

TEST(MaxSignatures, WhatIsRefusedBeforeTheDeviceIsAskedDoesNotCount) {
  UsedPolicy used({.max_signatures = 1});
  std::array<std::uint8_t, 64> out{};
  const auto sign = [&](CK_MECHANISM_TYPE type, ByteView input) {
    return test::answer_of([&] {
      sign_prepared(used.session->token(), {type, {}}, used.key, input, out);
    });
  };
  EXPECT_EQ(sign(CKM_ECDSA, {}), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(sign(CKM_RSA_PKCS, kSomeDigest), CKR_KEY_TYPE_INCONSISTENT);
  EXPECT_EQ(used.task->state(), TaskState::active);
  EXPECT_EQ(sign(CKM_ECDSA, kSomeDigest), CKR_OK);
}

TEST(MaxSignatures, OneThatWaitsForTheLastIsRefusedAndGetsItIfItComesToNothing) {
  UsedPolicy used({.max_signatures = 1});
  CK_RV meanwhile = CKR_OK;
  used.device.state.on_sign = [&] {
    meanwhile = used.sign();  // does not get as far as here
    throw Error(CKR_DATA_LEN_RANGE, "the fake device refuses");
  };
  EXPECT_EQ(used.sign(), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(meanwhile, CKR_FUNCTION_REJECTED);
  used.device.state.on_sign = nullptr;
  EXPECT_EQ(used.sign(), CKR_OK);
  EXPECT_EQ(used.task->state(), TaskState::exhausted);
}

TEST(MaxSignatures, AreExactAmongThreadsAndAllReachTheirCallers) {
  constexpr int kMost = 200;
  constexpr int kThreads = 16;
  UsedPolicy used({.max_signatures = kMost});
  std::atomic<int> asked{0};
  used.device.state.on_sign = [&] {
    if (++asked % 3 == 0) throw Error(CKR_DATA_INVALID, "the fake device refuses");
  };
  std::atomic<int> signatures{0};
  std::atomic<int> odd_answers{0};
  std::vector<std::shared_ptr<Session>> sessions;
  for (int i = 0; i < kThreads; ++i) {
    sessions.push_back(
        used.application.session(used.application.open_session(used.task->slot(), true)));
  }
  std::vector<std::thread> threads;
  for (const auto& session : sessions) {
    threads.emplace_back([&, session] {
      while (used.task->alive()) {
        switch (used.sign(session)) {
          case CKR_OK:
            ++signatures;
            break;
          case CKR_DATA_INVALID:
          case CKR_FUNCTION_REJECTED:       // the last ones are under way
          case CKR_SESSION_HANDLE_INVALID:  // the task has ended
          case CKR_OPERATION_NOT_INITIALIZED:
          case CKR_KEY_HANDLE_INVALID:
            break;
          default:
            ++odd_answers;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(signatures, kMost);
  EXPECT_EQ(odd_answers, 0);
  EXPECT_EQ(used.task->state(), TaskState::exhausted);
}

TEST(MaxRate, RefusesForTheMomentAndNeverWaits) {
  UsedPolicy used({.max_signatures = 100, .max_rate = 5});
  int made = 0;
  CK_RV rv = CKR_OK;
  for (int asked = 0; asked < 1'000 && rv == CKR_OK; ++asked) {
    rv = used.sign();
    if (rv == CKR_OK) ++made;
  }
  EXPECT_EQ(rv, CKR_FUNCTION_FAILED);
  EXPECT_GE(made, 5);
  EXPECT_EQ(used.task->state(), TaskState::active) << "the key is as good as before";
  while (used.sign() != CKR_OK) std::this_thread::yield();  // as soon as one comes in
}

TEST(MaxKeys, CountsWhatIsMadeInTheWholeLife) {
  UsedPolicy used({.max_keys = 3});  // one is made
  used.session->destroy_object(used.generate().private_key);
  used.session->destroy_object(used.generate().private_key);
  EXPECT_EQ(test::answer_of([&] { used.generate(); }), CKR_DEVICE_MEMORY);
  EXPECT_EQ(used.device.state.asked, 3) << "the device was not asked";
  EXPECT_EQ(used.sign(), CKR_OK) << "what is there can still sign";
}

TEST(MaxKeys, AGenerationThatFailsCountsNothing) {
  UsedPolicy used({.max_keys = 2});
  used.device.state.on_generate = [] { throw Error(CKR_DEVICE_ERROR, "the fake device fails"); };
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(test::answer_of([&] { used.generate(); }), CKR_DEVICE_ERROR);
  }
  used.device.state.on_generate = nullptr;
  EXPECT_EQ(test::answer_of([&] { used.generate(); }), CKR_OK);
  EXPECT_EQ(test::answer_of([&] { used.generate(); }), CKR_DEVICE_MEMORY);
}

TEST(MaxKeys, AreExactAmongThreads) {
  UsedPolicy used({.max_keys = 101});  // one is made
  std::atomic<int> made{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto session =
          used.application.session(used.application.open_session(used.task->slot(), true));
      const auto generate = [&] {
        session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(), {});
      };
      while (test::answer_of(generate) == CKR_OK) ++made;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 100);
}

class OpeningTest : public testing::Test {
 protected:
  CK_RV open(TaskRequest request) {
    return test::answer_of([&] { tasks->end(tasks->open(request)->slot(), TaskState::closed); });
  }

  test::FakeDevice device;
  TaskLimits limits{.default_ttl = std::chrono::seconds(900),
                    .max_ttl = std::chrono::seconds(1'000)};
  std::optional<TaskTable> tasks;
};

TEST_F(OpeningTest, TheTighterOfTheTablesPolicyAndTheRequestsHolds) {
  limits.policy.max_signatures = 5;
  limits.policy.max_keys = 2;
  tasks.emplace(device, limits, nullptr);
  const auto task = tasks->open({"a", {}, {.max_keys = 7, .max_signatures = 3}});
  EXPECT_EQ(task->policy().max_signatures, 3U);
  EXPECT_EQ(task->policy().max_keys, 2U);
  EXPECT_EQ(task->policy().max_objects, 20'000U);
}

TEST_F(OpeningTest, NoTaskLivesLongerThanItsPolicySays) {
  limits.policy.max_ttl = std::chrono::seconds(60);
  tasks.emplace(device, limits, nullptr);
  EXPECT_EQ(open({"a", std::chrono::seconds(61)}), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(open({"a", std::chrono::seconds(60)}), CKR_OK);
  EXPECT_EQ(open({"a", std::chrono::seconds(31), {.max_ttl = std::chrono::seconds(30)}}),
            CKR_ARGUMENTS_BAD);
  const auto before = BootClock::now();
  EXPECT_LE(tasks->open({"a", {}})->deadline() - before, std::chrono::seconds(61))
      << "what is not asked for is cut";
}

TEST_F(OpeningTest, OnlyThoseOpenTasksWhomThePolicyAdmits) {
  limits.policy.openers = {{{1'234}, {}}};
  tasks.emplace(device, limits, nullptr);
  EXPECT_EQ(open({"a", {}, {}, Peer{1'234, {}}}), CKR_OK);
  EXPECT_EQ(open({"a", {}, {}, Peer{0, {0}}}), CKR_FUNCTION_REJECTED);
  EXPECT_EQ(open({"a", {}}), CKR_FUNCTION_REJECTED) << "without a name it is this process";
}

TEST_F(OpeningTest, AGrantIsThereWhereOneIsRequired) {
  tasks.emplace(device, limits, nullptr, std::make_shared<test::FakeBook>());
  EXPECT_EQ(open({"a", {}, {.grant_required = true}}), CKR_FUNCTION_REJECTED);
  const auto grant = std::make_shared<const SecretBuffer>(as_bytes("grant"));
  EXPECT_EQ(open({"a", {}, {.grant_required = true}, {}, grant}), CKR_OK);
}

TEST_F(OpeningTest, ARequiredLoginNeedsAPinToCompareWith) {
  tasks.emplace(device, limits, nullptr);
  EXPECT_EQ(open({"a", {}, {.login_required = true}}), CKR_FUNCTION_REJECTED);
}

}  // namespace
}  // namespace mayfly
