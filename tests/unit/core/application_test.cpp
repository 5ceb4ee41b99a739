#include "core/application.h"

#include <barrier>
#include <thread>

#include <gtest/gtest.h>

#include "base/error.h"
#include "core/pin_login.h"
#include "support/failure_of.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

class ApplicationTest : public testing::Test {
 protected:
  std::shared_ptr<Session> open(Application& user, bool read_write = true) {
    return user.session(user.open_session(task->slot(), read_write));
  }

  static KeyPairHandles generate(Session& session, bool token_object = false) {
    Attributes wanted = test::p256_public_template();
    Attributes private_wanted;
    wanted.set_flag(CKA_TOKEN, token_object);
    private_wanted.set_flag(CKA_TOKEN, token_object);
    return session.generate_key_pair(CKM_EC_KEY_PAIR_GEN, wanted, private_wanted);
  }

  static CK_RV sign(Session& session, ObjectHandle key) {
    return test::answer_of([&] {
      std::array<std::uint8_t, 64> out;
      session.sign_init({CKM_ECDSA, {}}, key);
      session.sign(as_bytes("0123456789abcdef0123456789abcdef"), out);
    });
  }

  test::FakeDevice device;
  TaskTable tasks{device, {}, nullptr};
  std::shared_ptr<Task> task = tasks.open({"task", {}});
  Application application{tasks, 100};
};

TEST_F(ApplicationTest, SessionKeysDieWithTheirSessionAndTokenKeysWithTheTask) {
  const auto first = open(application);
  const auto second = open(application);
  const auto session_key = generate(*first);
  const auto token_key = generate(*first, true);
  EXPECT_EQ(sign(*second, session_key.private_key), CKR_OK);
  application.close_session(first->handle());
  EXPECT_EQ(device.state.living, 1);
  EXPECT_EQ(sign(*second, session_key.private_key), CKR_KEY_HANDLE_INVALID);
  EXPECT_EQ(sign(*second, token_key.private_key), CKR_OK);
  tasks.end(task->slot(), TaskState::closed);
  EXPECT_EQ(device.state.living, 0);
  EXPECT_EQ(test::answer_of([&] { static_cast<void>(application.session(second->handle())); }),
            CKR_SESSION_HANDLE_INVALID);
}

TEST_F(ApplicationTest, ApplicationsOfOneTaskShareTokenObjectsAndNothingElse) {
  Application other(tasks, 100);
  const auto ours = open(application);
  const auto theirs = open(other);
  generate(*ours, false);
  EXPECT_EQ(theirs->token().find({}).size(), 1U);  // the task's own data object
  generate(*ours, true);
  const auto shared = theirs->token().find({});
  EXPECT_EQ(shared.size(), 3U);
  EXPECT_EQ(test::answer_of([&] { static_cast<void>(other.session(ours->handle())); }),
            CKR_SESSION_HANDLE_INVALID);
  // Handles are each application's own.
  for (const ObjectHandle handle : shared) {
    EXPECT_EQ(test::answer_of([&] { static_cast<void>(ours->object(handle)); }),
              CKR_OBJECT_HANDLE_INVALID);
  }
}

TEST_F(ApplicationTest, ACopyIsOneMoreNameForTheKeyAndOutlivesTheFirst) {
  const auto maker = open(application);
  const auto user = open(application);
  const auto pair = generate(*maker);
  Attributes changes;
  changes.set_flag(CKA_TOKEN, true);
  const ObjectHandle copy = maker->copy_object(pair.private_key, changes);
  EXPECT_EQ(device.state.living, 1);
  application.close_session(maker->handle());
  EXPECT_EQ(device.state.living, 1);
  EXPECT_EQ(sign(*user, copy), CKR_OK);
  user->destroy_object(copy);
  EXPECT_EQ(device.state.living, 0);
}

TEST_F(ApplicationTest, AFailedCopyLeavesTheKeyAlone) {
  const auto session = open(application);
  const auto pair = generate(*session);
  Attributes changes;
  changes.set_flag(CKA_EXTRACTABLE, true);
  EXPECT_EQ(test::answer_of([&] { session->copy_object(pair.private_key, changes); }),
            CKR_ATTRIBUTE_READ_ONLY);
  EXPECT_EQ(sign(*session, pair.private_key), CKR_OK);
  session->destroy_object(pair.private_key);
  EXPECT_EQ(device.state.living, 0);
}

TEST_F(ApplicationTest, ReadOnlySessionsSignAndMakeSessionKeysOnly) {
  const auto session = open(application, false);
  EXPECT_EQ(test::answer_of([&] { generate(*session, true); }), CKR_SESSION_READ_ONLY);
  EXPECT_EQ(sign(*session, generate(*session).private_key), CKR_OK);
}

TEST_F(ApplicationTest, LosingTheDeviceEndsTheTaskAsLost) {
  const auto session = open(application);
  const auto pair = generate(*session);
  device.state.lose_keys = true;
  EXPECT_EQ(sign(*session, pair.private_key), CKR_DEVICE_REMOVED);
  EXPECT_EQ(task->state(), TaskState::lost);
  EXPECT_EQ(tasks.find(task->slot()), nullptr);
}

/// A client that leaves at the moment when its task ends.
TEST_F(ApplicationTest, CanGoWhileATaskThatEndsTellsIt) {
  for (int round = 0; round < 200; ++round) {
    const auto ending = tasks.open({"ending", std::nullopt});
    std::barrier start(2);
    std::jthread client([&] {
      Application own(tasks, 100);
      for (int i = 0; i < 8; ++i) own.open_session(ending->slot(), true);
      start.arrive_and_wait();
    });
    start.arrive_and_wait();
    tasks.end(ending->slot(), TaskState::closed);
  }
}

TEST_F(ApplicationTest, ADeadlineDuringASignatureIsNoLossOfTheDevice) {
  const auto brief = tasks.open({"brief", std::chrono::seconds(1)});
  const auto session = application.session(application.open_session(brief->slot(), true));
  const auto pair = generate(*session);
  session->sign_init({CKM_ECDSA, {}}, pair.private_key);
  device.state.on_sign = [&] {
    while (brief->alive()) std::this_thread::yield();
  };
  std::array<std::uint8_t, 64> out{};
  EXPECT_EQ(test::answer_of([&] { session->sign(as_bytes("0123456789abcdef"), out); }),
            CKR_DEVICE_REMOVED);
  device.state.on_sign = nullptr;
  tasks.expire_due(BootClock::now());
  EXPECT_EQ(brief->state(), TaskState::expired);
}

TEST_F(ApplicationTest, LimitsSessions) {
  Application small(tasks, 2);
  const auto first = small.open_session(task->slot(), false);
  small.open_session(task->slot(), false);
  EXPECT_EQ(test::answer_of([&] { small.open_session(task->slot(), false); }), CKR_SESSION_COUNT);
  small.close_session(first);
  EXPECT_EQ(test::answer_of([&] { small.open_session(task->slot(), false); }), CKR_OK);
}

TEST_F(ApplicationTest, FinishingDestroysKeysOfItsSessionsOnly) {
  Application other(tasks, 100);
  generate(*open(application));
  const auto theirs = open(other);
  const auto pair = generate(*theirs);
  EXPECT_EQ(application.finish().destroyed, 1U);
  EXPECT_EQ(device.state.living, 1);
  EXPECT_EQ(sign(*theirs, pair.private_key), CKR_OK);
}

TEST_F(ApplicationTest, ASignatureBegunBeforeALogoutCantFinishAfterIt) {
  const auto session = open(application);
  session->login(as_bytes("any"));
  const auto pair = generate(*session, true);
  session->sign_init({CKM_ECDSA_SHA256, {}}, pair.private_key);
  session->sign_update(as_bytes("part"));
  session->logout();
  session->login(as_bytes("any"));
  std::array<std::uint8_t, 64> out;
  EXPECT_EQ(test::answer_of([&] { session->sign_final(out); }), CKR_USER_NOT_LOGGED_IN);
  session->cancel(CKF_SIGN);
  EXPECT_EQ(sign(*session, pair.private_key), CKR_KEY_HANDLE_INVALID);  // handles end as well
}

TEST_F(ApplicationTest, WhatHappensDuringASignatureDecidesWhetherItIsGivenOut) {
  struct Case {
    const char* what;
    std::function<void(Session&)> meanwhile;
    CK_RV expected;
  };
  const Case cases[] = {
      {"nothing", [](Session&) {}, CKR_OK},
      {"closed", [](Session& session) { session.close(); }, CKR_SESSION_CLOSED},
      {"logged out", [](Session& session) { session.logout(); }, CKR_USER_NOT_LOGGED_IN},
  };
  for (const Case& test : cases) {
    const auto session = open(application);
    const auto pair = generate(*session, true);
    if (!session->token().logged_in()) session->login(as_bytes("any"));
    const ObjectHandle key = pair.private_key;
    std::array<std::uint8_t, 64> out{};
    session->sign_init({CKM_ECDSA, {}}, key);
    device.state.on_sign = [&] { test.meanwhile(*session); };
    EXPECT_EQ(test::answer_of([&] { session->sign(as_bytes("0123456789abcdef"), out); }),
              test.expected)
        << test.what;
    device.state.on_sign = nullptr;
    const bool written = out != std::array<std::uint8_t, 64>{};
    EXPECT_EQ(written, test.expected == CKR_OK) << test.what;
  }
}

TEST(ApplicationLogin, HidesPrivateObjectsUntilALoginWhereOneIsRequired) {
  test::FakeDevice device;
  TaskLimits limits;
  limits.policy.login_required = true;
  const auto pin = std::make_shared<const SecretBuffer>(as_bytes("pin"));
  TaskTable tasks(device, limits, [pin] { return std::make_unique<PinLogin>(pin); });
  const auto task = tasks.open({"task", {}});
  Application application(tasks, 10);
  const auto session = application.session(application.open_session(task->slot(), true));
  EXPECT_EQ(session->state(), CKS_RW_PUBLIC_SESSION);
  EXPECT_EQ(test::answer_of([&] {
              session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(), {});
            }),
            CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(device.state.living, 0);
  EXPECT_EQ(test::answer_of([&] { session->login(as_bytes("wrong")); }), CKR_PIN_INCORRECT);
  session->login(as_bytes("pin"));
  EXPECT_EQ(session->state(), CKS_RW_USER_FUNCTIONS);
  session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(), {});
  EXPECT_EQ(session->token().find({}).size(), 3U);
  session->logout();
  EXPECT_EQ(device.state.living, 0);  // a private session object
  EXPECT_EQ(session->token().find({}).size(), 2U);
}

TEST(ApplicationLogin, LocksOneTaskAndNotAnother) {
  test::FakeDevice device;
  TaskLimits limits;
  limits.policy.login_required = true;
  const auto pin = std::make_shared<const SecretBuffer>(as_bytes("pin"));
  TaskTable tasks(device, limits, [pin] { return std::make_unique<PinLogin>(pin); });
  const auto attacked = tasks.open({"attacked", {}});
  const auto innocent = tasks.open({"innocent", {}});
  for (unsigned i = 0; i < PinLogin::kMaxWrong; ++i) {
    EXPECT_EQ(test::answer_of([&] { attacked->check_pin(as_bytes("wrong")); }), CKR_PIN_INCORRECT);
  }
  EXPECT_EQ(test::answer_of([&] { attacked->check_pin(as_bytes("pin")); }), CKR_PIN_LOCKED);
  EXPECT_EQ(attacked->login_flags() & CKF_USER_PIN_LOCKED, CKF_USER_PIN_LOCKED);
  EXPECT_EQ(test::answer_of([&] { innocent->check_pin(as_bytes("pin")); }), CKR_OK);
  EXPECT_EQ(innocent->login_flags(), CKF_LOGIN_REQUIRED);
}

}  // namespace
}  // namespace mayfly
