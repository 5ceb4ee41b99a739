// Forks without exec: the child has nothing of the parent's and can begin a life of its own, the
// parent loses nothing, and nobody hangs.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "conformance/entry_points.h"
#include "process/life.h"

namespace mayfly::test {
namespace {

class ForkTest : public LifeTest {
 protected:
  void SetUp() override {
    LifeTest::SetUp();
    session_ = open_session();
    pair_ = generate(session_, kP256);
  }

  void expect_parent_unharmed() {
    EXPECT_RV(CKR_OK, sign_answer(session_, pair_.private_key, kP256));
    const KeyPair another = generate(session_, kEd25519);
    EXPECT_RV(CKR_OK, sign_answer(session_, another.private_key, kEd25519));
    EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session_, another.private_key));
    EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session_, another.public_key));
    EXPECT_EQ(device_keys(), 2U);
  }

  /// All but C_Initialize say that the library is not initialised. For children that have one
  /// thread only: no assertion is made, since gtest's own locks may be held.
  [[nodiscard]] bool nothing_is_initialised() {
    Call call{*p11_, slot_, session_, pair_.public_key, pair_.private_key};
    for (const EntryPoint& row : entry_points()) {
      if (row.needs == Needs::nothing || row.function == Function::C_Finalize) continue;
      if (row.call(call) != CKR_CRYPTOKI_NOT_INITIALIZED) return false;
    }
    CK_SLOT_ID slot = 0;
    const MAYFLY_TASK_REQUEST request{"child", 0, nullptr, nullptr, nullptr};
    MAYFLY_TASK_INFO info;
    return finalize() == CKR_CRYPTOKI_NOT_INITIALIZED &&
           vendor_->MAYFLY_OpenTask(&request, &slot) == CKR_CRYPTOKI_NOT_INITIALIZED &&
           vendor_->MAYFLY_CloseTask(slot_) == CKR_CRYPTOKI_NOT_INITIALIZED &&
           vendor_->MAYFLY_TaskInfo(slot_, &info) == CKR_CRYPTOKI_NOT_INITIALIZED;
  }
};

TEST_F(ForkTest, AChildThatFinalisesTakesNothingFromTheParent) {
  for (int i = 0; i < 5; ++i) {
    expect_in_child([&] {
      EXPECT_TRUE(nothing_is_initialised());
      begin_life("child " + std::to_string(i));
      EXPECT_RV(CKR_OK, finalize());
      EXPECT_TRUE(nothing_is_initialised());
    });
    expect_parent_unharmed();
  }
}

TEST_F(ForkTest, AChildThatJustExitsTakesNothingFromTheParent) {
#ifdef __SANITIZE_ADDRESS__
  // To a leak checker, what the child leaves alone of the parent's is lost.
  const std::vector<bool> ways = {false};
#else
  const std::vector<bool> ways = {false, true};
#endif
  for (const bool initialise : ways) {
    expect_in_child([&] {
      if (initialise) begin_life("child");
      exit(HasFailure() ? 1 : 0);  // with exit handlers and destructors, without C_Finalize
    });
    expect_parent_unharmed();
  }
}

TEST_F(ForkTest, AChildThatIsKilledTakesNothingFromTheParent) {
  for (int i = 0; i < repetitions(20); ++i) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      begin_life("child");
      const char sign = HasFailure() ? 'n' : 'y';
      if (write(ready[1], &sign, 1) != 1) _exit(1);
      while (sign_answer(session_, pair_.private_key, kP256) == CKR_OK) {
      }
      _exit(1);
    }
    close(ready[1]);
    char signing = 0;
    EXPECT_EQ(read(ready[0], &signing, 1), 1);
    EXPECT_EQ(signing, 'y');
    close(ready[0]);
    usleep(static_cast<useconds_t>(i) * 37 % 500);  // anywhere in a signature
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the child stopped signing by itself";
    expect_parent_unharmed();
  }
}

// Parent and children sign at the same time, each with keys of its own.
TEST_F(ForkTest, ParentAndChildrenWorkAtTheSameTime) {
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(60);
      begin_life("child " + std::to_string(i));
      for (int n = 0; n < 100; ++n) {
        EXPECT_RV(CKR_OK, sign_answer(session_, pair_.private_key, kP256));
      }
      EXPECT_RV(CKR_OK, finalize());
      _exit(HasFailure() ? 1 : 0);
    }
    children.push_back(child);
  }
  for (int n = 0; n < 100; ++n) {
    EXPECT_RV(CKR_OK, sign_answer(session_, pair_.private_key, kP256));
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  expect_parent_unharmed();
}

// A sanitizer's own locks do not survive a fork in the middle of other threads.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/// Waits for a child that must end well by itself. False if it did not.
bool ended_well(pid_t child) {
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0;
}

TEST_F(ForkTest, EveryCallAnswersInAChildForkedInTheMiddleOfCalls) {
  std::vector<KeyPair> pairs(4);
  std::vector<CK_SESSION_HANDLE> sessions;
  for (KeyPair& pair : pairs) {
    sessions.push_back(open_session());
    pair = generate(sessions.back(), kP256);
  }
  std::atomic<int> refused{0};
  std::atomic<unsigned> signatures{0};
  Crowd crowd(4, [&](int i) {
    const auto number = static_cast<std::size_t>(i);
    Bytes signature;
    const bool good = sign(sessions[number], pairs[number].private_key, CKM_ECDSA, Bytes(32, 1),
                           signature) == CKR_OK;
    good ? ++signatures : static_cast<unsigned>(++refused);
    return true;
  });
  for (int i = 0; i < repetitions(100); ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(30);
      _exit(nothing_is_initialised() ? 0 : 1);
    }
    ASSERT_TRUE(ended_well(child)) << "child " << i << " hung or saw the parent's library";
    const unsigned before = signatures;
    while (signatures == before && refused == 0) std::this_thread::yield();  // the parent goes on
  }
  crowd.stop();
  EXPECT_EQ(refused, 0);
}

// The device's library may be locked for ever in such a child: a start there is refused, and works
// where no call was under way. In no case does it hang.
TEST_F(ForkTest, AChildForkedInTheMiddleOfCallsIsRefusedAStartAndHangsNowhere) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256);
  Crowd crowd(4, [&, p11 = p11_](int) {
    CK_SESSION_HANDLE mine = CK_INVALID_HANDLE;
    if (p11->C_OpenSession(slot_, CKF_SERIAL_SESSION, nullptr, nullptr, &mine) != CKR_OK) {
      return false;
    }
    Bytes signature;
    const CK_RV rv = sign(mine, pair.private_key, CKM_ECDSA, Bytes(32, 1), signature);
    return p11->C_CloseSession(mine) == CKR_OK && rv == CKR_OK;
  });
  int refused = 0;
  const auto fork_and_start = [&] {
    const pid_t child = fork();
    if (child == 0) {
      alarm(30);
      const CK_RV rv = initialize("child");
      if (rv == CKR_GENERAL_ERROR) _exit(nothing_is_initialised() ? 3 : 1);
      CK_ULONG count = 0;
      _exit(rv == CKR_OK && p11_->C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_OK && count == 1 &&
                    finalize() == CKR_OK
                ? 0
                : 2);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
  };
  for (int i = 0; i < repetitions(100); ++i) {
    const int status = fork_and_start();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3) {
      ++refused;
    } else {
      ASSERT_EQ(status, 0) << "child " << i;
    }
  }
  EXPECT_GT(refused, 0) << "no fork came in the middle of a call";
  crowd.stop();
  EXPECT_EQ(fork_and_start(), 0) << "no call is under way any more";
}
#endif

}  // namespace
}  // namespace mayfly::test
