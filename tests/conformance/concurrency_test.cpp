// Many threads at once: every signature that is given out is good, and what ends, ends for all.
#include <atomic>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "conformance/fixture.h"
#include "conformance/independent_check.h"
#include "conformance/process.h"

namespace mayfly::test {
namespace {

constexpr int kThreads = 8;
const int kRounds = kSanitized ? 4 : 20;

class ConcurrencyTest : public ConformanceTest {
 protected:
  using ConformanceTest::ConformanceTest;

  /// One worker's view: no helper of the fixture is used in threads, since gtest's own bookkeeping
  /// would hide races.
  struct Worker {
    const CK_FUNCTION_LIST_3_0& p11;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    std::size_t good = 0;
    std::set<CK_RV> answers;  ///< other than CKR_OK
    Bytes last;

    CK_RV sign_once() {
      CK_MECHANISM ecdsa{CKM_ECDSA, nullptr, 0};
      CK_RV rv = p11.C_SignInit(session, &ecdsa, key);
      Bytes digest(32, 7);
      Bytes signature(64);
      CK_ULONG size = signature.size();
      if (rv == CKR_OK) {
        rv = p11.C_Sign(session, digest.data(), digest.size(), signature.data(), &size);
      }
      if (rv == CKR_OK) {
        ++good;
        last = signature;
      } else {
        answers.insert(rv);
      }
      return rv;
    }
  };

  /// Runs `each` in eight threads until `stop` is set, and `meanwhile` in this one.
  void run(std::vector<Worker>& workers, const std::function<CK_RV(Worker&)>& each,
           const std::function<void()>& meanwhile) {
    std::atomic<bool> stop{false};
    std::atomic<int> running{0};
    std::vector<std::thread> threads;
    for (Worker& worker : workers) {
      threads.emplace_back([&each, &stop, &running, &worker] {
        ++running;
        while (!stop) {
          if (each(worker) != CKR_OK) std::this_thread::yield();
        }
      });
    }
    while (running < static_cast<int>(workers.size())) std::this_thread::yield();
    meanwhile();
    stop = true;
    for (std::thread& thread : threads) thread.join();
  }

  [[nodiscard]] std::vector<Worker> workers_on(CK_OBJECT_HANDLE key, bool own_sessions = true) {
    std::vector<Worker> workers;
    const CK_SESSION_HANDLE shared = own_sessions ? CK_INVALID_HANDLE : open_session();
    for (int i = 0; i < kThreads; ++i) {
      workers.push_back({*p11_, own_sessions ? open_session() : shared, key, 0, {}, {}});
    }
    return workers;
  }

  static void expect_answers(const std::vector<Worker>& workers, const std::set<CK_RV>& allowed) {
    for (const Worker& worker : workers) {
      for (const CK_RV rv : worker.answers) {
        EXPECT_TRUE(allowed.contains(rv)) << answer_name(rv);
      }
    }
  }

  void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(3)); }
};

TEST_F(ConcurrencyTest, SignsInManySessionsWithOneKey) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256);
  const EvpKey check = ec_public_key(CKK_EC, get(session, pair.public_key, CKA_EC_PARAMS).value(),
                                     get(session, pair.public_key, CKA_EC_POINT).value());
  auto workers = workers_on(pair.private_key);
  run(
      workers, [](Worker& worker) { return worker.sign_once(); },
      [] { std::this_thread::sleep_for(std::chrono::milliseconds(200)); });
  expect_answers(workers, {});
  for (const Worker& worker : workers) {
    EXPECT_GT(worker.good, 0U) << "a thread starved";
    EXPECT_TRUE(is_signature(check.get(), {SignatureForm::Scheme::ecdsa, nullptr, nullptr, 0},
                             Bytes(32, 7), worker.last));
  }
}

// The standard leaves it open what happens when threads share a session. Nothing bad does.
TEST_F(ConcurrencyTest, SurvivesThreadsThatShareASession) {
  const KeyPair pair = generate(open_session(), kP256);
  auto workers = workers_on(pair.private_key, false);
  run(
      workers, [](Worker& worker) { return worker.sign_once(); },
      [] { std::this_thread::sleep_for(std::chrono::milliseconds(100)); });
  expect_answers(workers, {CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED});
}

TEST_F(ConcurrencyTest, DestroysKeysUnderSigners) {
  for (int round = 0; round < kRounds; ++round) {
    const CK_SESSION_HANDLE session = open_session();
    const KeyPair pair = generate(session, kP256);
    auto workers = workers_on(pair.private_key);
    run(
        workers, [](Worker& worker) { return worker.sign_once(); },
        [&] {
          pause();
          EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, pair.private_key));
          EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, pair.public_key));
          EXPECT_EQ(device_keys(), 0U) << "destroyed, and still there";
        });
    expect_answers(workers, {CKR_KEY_HANDLE_INVALID, CKR_OPERATION_NOT_INITIALIZED});
    EXPECT_RV(CKR_OK, p11_->C_CloseAllSessions(slot_));
  }
}

TEST_F(ConcurrencyTest, EndsTasksUnderSigners) {
  for (int round = 0; round < kRounds; ++round) {
    slot_ = open_task("ending");
    const KeyPair pair = generate(open_session(), kP256);
    auto workers = workers_on(pair.private_key);
    run(
        workers, [](Worker& worker) { return worker.sign_once(); },
        [&] {
          pause();
          EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(slot_));
          EXPECT_EQ(device_keys(), 0U);
        });
    expect_answers(workers, {CKR_SESSION_HANDLE_INVALID, CKR_DEVICE_REMOVED, CKR_SESSION_CLOSED,
                             CKR_OPERATION_NOT_INITIALIZED, CKR_KEY_HANDLE_INVALID});
    for (Worker& worker : workers) EXPECT_RV(CKR_SESSION_HANDLE_INVALID, worker.sign_once());
  }
}

TEST_F(ConcurrencyTest, ClosesSessionsUnderSigners) {
  for (int round = 0; round < kRounds; ++round) {
    const KeyPair pair = generate(open_session(), kP256);
    auto workers = workers_on(pair.private_key);
    run(
        workers, [](Worker& worker) { return worker.sign_once(); },
        [&] {
          pause();
          EXPECT_RV(CKR_OK, p11_->C_CloseAllSessions(slot_));
          EXPECT_EQ(device_keys(), 0U);
        });
    expect_answers(workers, {CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_KEY_HANDLE_INVALID,
                             CKR_OPERATION_NOT_INITIALIZED});
  }
}

// Keys come and go in all threads, and all the time somebody searches.
TEST_F(ConcurrencyTest, MakesFindsAndDestroysAtOnce) {
  auto workers = workers_on(CK_INVALID_HANDLE);
  const auto each = [](Worker& worker) -> CK_RV {
    CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
    Template curve = kP256.public_template();
    CK_OBJECT_HANDLE made[2] = {};
    CK_RV rv = worker.p11.C_GenerateKeyPair(worker.session, &mechanism, curve.data(), curve.size(),
                                            nullptr, 0, &made[0], &made[1]);
    if (rv == CKR_OK) {
      worker.key = made[1];
      rv = worker.sign_once();
    }
    CK_OBJECT_HANDLE found[64];
    CK_ULONG count = 0;
    if (rv == CKR_OK) rv = worker.p11.C_FindObjectsInit(worker.session, nullptr, 0);
    if (rv == CKR_OK) rv = worker.p11.C_FindObjects(worker.session, found, 64, &count);
    if (rv == CKR_OK) rv = worker.p11.C_FindObjectsFinal(worker.session);
    for (const CK_OBJECT_HANDLE object : made) {
      if (rv == CKR_OK) rv = worker.p11.C_DestroyObject(worker.session, object);
    }
    if (rv != CKR_OK) worker.answers.insert(rv);
    return rv;
  };
  run(workers, each, [] { std::this_thread::sleep_for(std::chrono::milliseconds(200)); });
  expect_answers(workers, {});
  EXPECT_EQ(device_keys(), 0U);
}

// Tasks are opened and ended in all threads.
TEST_F(ConcurrencyTest, OpensAndEndsTasksAtOnce) {
  struct Opener {
    const MAYFLY_FUNCTION_LIST& vendor;
    std::string id;
    int done = 0;
    CK_RV worst = CKR_OK;
  };
  std::vector<Opener> openers;
  for (int i = 0; i < kThreads; ++i) openers.push_back({*vendor_, "task " + std::to_string(i)});
  std::vector<std::thread> threads;
  for (Opener& opener : openers) {
    threads.emplace_back([&opener] {
      for (; opener.done < 200 && opener.worst == CKR_OK; ++opener.done) {
        const MAYFLY_TASK_REQUEST request{opener.id.c_str(), 0, nullptr, nullptr, nullptr};
        CK_SLOT_ID slot = 0;
        opener.worst = opener.vendor.MAYFLY_OpenTask(&request, &slot);
        if (opener.worst == CKR_OK) opener.worst = opener.vendor.MAYFLY_CloseTask(slot);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Opener& opener : openers) EXPECT_RV(CKR_OK, opener.worst);
  EXPECT_EQ(slots().size(), 1U);
}

// Two that end the same task: one does, the other is told that there is none.
TEST_F(ConcurrencyTest, EndsATaskOnce) {
  for (int round = 0; round < kRounds; ++round) {
    const CK_SLOT_ID slot = open_task("twice");
    generate(open_session(CKF_RW_SESSION, slot), kP256, {}, {{CKA_TOKEN, true}});
    std::vector<CK_RV> answers(kThreads);
    std::vector<std::thread> threads;
    for (CK_RV& answer : answers) {
      threads.emplace_back([this, slot, &answer] { answer = vendor_->MAYFLY_CloseTask(slot); });
    }
    for (std::thread& thread : threads) thread.join();
    std::sort(answers.begin(), answers.end());
    EXPECT_RV(CKR_OK, answers[0]);
    EXPECT_RV(CKR_SLOT_ID_INVALID, answers[1]);
    EXPECT_EQ(device_keys(), 0U);
  }
}

// The standard leaves open what becomes of calls that are under way at C_Finalize. Here they
// finish, and those that come later are refused.
TEST_F(ConcurrencyTest, FinalisesUnderEverybody) {
  for (int round = 0; round < kRounds; ++round) {
    const KeyPair pair = generate(open_session(), kP256);
    auto workers = workers_on(pair.private_key);
    run(
        workers, [](Worker& worker) { return worker.sign_once(); },
        [&] {
          pause();
          EXPECT_RV(CKR_OK, finalize());
        });
    expect_answers(workers, {CKR_CRYPTOKI_NOT_INITIALIZED});
    EXPECT_EQ(device_keys(), 0U);
    ASSERT_RV(CKR_OK, initialize(kTask));
    slot_ = only_slot();
    for (Worker& worker : workers) EXPECT_RV(CKR_SESSION_HANDLE_INVALID, worker.sign_once());
  }
}

// Many that initialise at once: one does it, the others are told so.
TEST_F(ConcurrencyTest, InitialisesOnce) {
  ASSERT_RV(CKR_OK, finalize());
  for (int round = 0; round < kRounds; ++round) {
    std::string reserved = provider_->reserved(kTask, "");
    std::vector<CK_RV> answers(kThreads);
    std::vector<std::thread> threads;
    for (CK_RV& answer : answers) {
      threads.emplace_back([this, &reserved, &answer] {
        InitializeArgs args;
        args.reserved = reserved.data();
        answer = p11_->C_Initialize(&args);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::count(answers.begin(), answers.end(), CKR_OK), 1);
    EXPECT_EQ(std::count(answers.begin(), answers.end(), CKR_CRYPTOKI_ALREADY_INITIALIZED),
              kThreads - 1);
    EXPECT_EQ(slots().size(), 1U);
    ASSERT_RV(CKR_OK, finalize());
  }
}

class LoginConcurrencyTest : public ConcurrencyTest {
 protected:
  LoginConcurrencyTest() : ConcurrencyTest(Settings{.login_required = true}) {}
};

TEST_F(LoginConcurrencyTest, LogsOutUnderSigners) {
  for (int round = 0; round < kRounds; ++round) {
    const CK_SESSION_HANDLE session = open_session();
    ASSERT_RV(CKR_OK, log_in(session));
    const KeyPair pair = generate(session, kP256);
    auto workers = workers_on(pair.private_key);
    run(
        workers, [](Worker& worker) { return worker.sign_once(); },
        [&] {
          pause();
          EXPECT_RV(CKR_OK, p11_->C_Logout(session));
          EXPECT_EQ(device_keys(), 0U);
        });
    expect_answers(workers,
                   {CKR_USER_NOT_LOGGED_IN, CKR_KEY_HANDLE_INVALID, CKR_OPERATION_NOT_INITIALIZED});
    for (Worker& worker : workers) EXPECT_NE(worker.sign_once(), CKR_OK);
    EXPECT_RV(CKR_OK, p11_->C_CloseAllSessions(slot_));
  }
}

// Threads that guess PINs together get no more tries than one.
TEST_F(LoginConcurrencyTest, CountsWrongPinsOfAllThreads) {
  std::atomic<int> tries{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    const CK_SESSION_HANDLE session = open_session();
    threads.emplace_back([this, session, &tries] {
      CK_UTF8CHAR wrong[] = "wrong";
      for (int n = 0; n < 100; ++n) {
        if (p11_->C_Login(session, CKU_USER, wrong, 5) == CKR_PIN_INCORRECT) ++tries;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tries, 10);
  EXPECT_RV(CKR_PIN_LOCKED, log_in(open_session()));
}

}  // namespace
}  // namespace mayfly::test
