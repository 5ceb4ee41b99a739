// Ends that race with signatures: no signature is reported after the end was, and no key is used
// once it is destroyed.
#include <thread>

#include <gtest/gtest.h>

#include "base/error.h"
#include "core/application.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

struct Ending {
  const char* name;
  std::function<void(Application&, Session&, ObjectHandle)> end;
};

const Ending kEndings[] = {
    {"task_closed",
     [](Application& application, Session& session, ObjectHandle) {
       application.tasks().end(session.token().task().slot(), TaskState::closed);
     }},
    {"session_closed", [](Application& application, Session& session,
                          ObjectHandle) { application.close_session(session.handle()); }},
    {"logged_out", [](Application&, Session& session, ObjectHandle) { session.logout(); }},
    {"key_destroyed",
     [](Application&, Session& session, ObjectHandle key) { session.destroy_object(key); }},
    {"deadline_reached",
     [](Application& application, Session& session, ObjectHandle) {
       application.tasks().expire_due(session.token().task().deadline());
     }},
    {"application_finished",
     [](Application& application, Session&, ObjectHandle) { application.finish(); }},
};

class TokenRace : public testing::TestWithParam<Ending> {};

TEST_P(TokenRace, NoSignatureAfterTheEnd) {
  constexpr int kRounds = 60;
  constexpr int kSigners = 3;
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  for (int round = 0; round < kRounds; ++round) {
    const auto task = tasks.open({"task", {}});
    Application application(tasks, 100);
    const auto owner = application.session(application.open_session(task->slot(), true));
    owner->login(as_bytes("any"));
    const auto pair =
        owner->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(), {});
    std::atomic<bool> ended{false};
    std::atomic<bool> stop{false};
    std::atomic<int> signatures{0};
    std::atomic<int> after_the_end{0};
    std::vector<std::jthread> signers;
    for (int i = 0; i < kSigners; ++i) {
      const auto session = application.session(application.open_session(task->slot(), false));
      signers.emplace_back([&, session] {
        std::array<std::uint8_t, 64> out;
        while (!stop) {
          const bool was_over = ended;
          try {
            session->cancel(CKF_SIGN);
            session->sign_init({CKM_ECDSA, {}}, pair.private_key);
            session->sign(as_bytes("0123456789abcdef"), out);
            ++signatures;
            after_the_end += was_over;
          } catch (const Error&) {
            if (was_over) return;
          }
        }
      });
    }
    while (signatures < kSigners) std::this_thread::yield();
    GetParam().end(application, *owner, pair.private_key);
    EXPECT_EQ(device.state.living, 0);
    ended = true;
    signers.clear();
    EXPECT_EQ(after_the_end, 0);
    EXPECT_EQ(device.state.signed_while_dead, 0);
    tasks.end(task->slot(), TaskState::closed);
  }
}

INSTANTIATE_TEST_SUITE_P(Endings, TokenRace, testing::ValuesIn(kEndings),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(TokenRaces, KeysThatAreMadeWhileEverythingEndsAreDestroyed) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  for (int round = 0; round < 60; ++round) {
    const auto task = tasks.open({"task", {}});
    Application application(tasks, 100);
    std::vector<std::jthread> makers;
    std::atomic<int> made{0};
    for (int i = 0; i < 3; ++i) {
      makers.emplace_back([&, i] {
        try {
          while (true) {
            const auto session = application.session(application.open_session(task->slot(), true));
            Attributes token_object;
            token_object.set_flag(CKA_TOKEN, i == 0);
            session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(),
                                       token_object);
            ++made;
            if (i == 1) application.close_session(session->handle());
          }
        } catch (const Error&) {  // the end, or too many sessions
        }
      });
    }
    while (made < 5) std::this_thread::yield();
    tasks.end(task->slot(), TaskState::revoked);
    makers.clear();
    EXPECT_EQ(device.state.living, 0);
  }
}

}  // namespace
}  // namespace mayfly
