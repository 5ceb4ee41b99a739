// A task whose deadline comes: its keys sign no more, and are destroyed at the next call.
#include <chrono>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

using Clock = std::chrono::steady_clock;

class DeadlineTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    before_ = Clock::now();
    start_task("short", 1);
    after_ = Clock::now();
    session_ = open_session();
    pair_ = generate(session_, kP256);
    generate(session_, kP384, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  }

  /// Waits until the deadline has come, without calling mayfly.
  void await_deadline() const {
    std::this_thread::sleep_until(after_ + std::chrono::milliseconds(1005));
  }

  // The deadline is one second after a moment between these.
  Clock::time_point before_;
  Clock::time_point after_;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  KeyPair pair_;
};

TEST_F(DeadlineTest, EndsTheTaskAtTheNextCall) {
  EXPECT_RV(CKR_OK, sign_answer(session_, pair_.private_key, kP256));
  EXPECT_EQ(device_keys(), 4U);
  await_deadline();
  EXPECT_EQ(device_keys(), 4U) << "no call came yet, and mayfly has no thread of its own";
  CK_INFO info;
  EXPECT_RV(CKR_OK, p11_->C_GetInfo(&info)) << "any call will do";
  EXPECT_EQ(device_keys(), 0U);
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, sign_answer(session_, pair_.private_key, kP256));
  CK_TOKEN_INFO token;
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11_->C_GetTokenInfo(slot_, &token));
  EXPECT_EQ(slots().size(), 1U) << "the other task goes on";
  EXPECT_NE(log_text().find("expired"), std::string::npos);
}

// Until the very deadline keys sign, and after it none does, however fast they are asked.
TEST_F(DeadlineTest, IsNotPassedByACallThatHurries) {
  CK_RV rv = CKR_OK;
  Clock::time_point last_good = before_;
  while (rv == CKR_OK) {
    const Clock::time_point asked = Clock::now();
    rv = sign_answer(session_, pair_.private_key, kP256);
    if (rv == CKR_OK) last_good = asked;
    ASSERT_LT(asked - before_, std::chrono::seconds(10)) << "it signs for ever";
  }
  EXPECT_RV_OF(rv, CKR_SESSION_HANDLE_INVALID, CKR_DEVICE_REMOVED);
  EXPECT_LT(last_good - after_, std::chrono::seconds(1));
  EXPECT_GE(Clock::now() - before_, std::chrono::seconds(1)) << "ended before its time";
}

TEST_F(DeadlineTest, EndsOperationsThatBeganBefore) {
  CK_MECHANISM ecdsa{kP256.hashing_mechanism, nullptr, 0};
  Bytes data(100);
  Bytes signature(64);
  const CK_SESSION_HANDLE sessions[] = {open_session(), open_session(0), open_session(0),
                                        open_session(0)};
  for (const CK_SESSION_HANDLE session : {sessions[0], sessions[1]}) {
    ASSERT_RV(CKR_OK, p11_->C_SignInit(session, &ecdsa, pair_.private_key));
  }
  ASSERT_RV(CKR_OK, p11_->C_SignUpdate(sessions[1], data.data(), data.size()));
  for (const CK_SESSION_HANDLE session : {sessions[2], sessions[3]}) {
    ASSERT_RV(CKR_OK, p11_->C_MessageSignInit(session, &ecdsa, pair_.private_key));
  }
  ASSERT_RV(CKR_OK, p11_->C_SignMessageBegin(sessions[3], nullptr, 0));
  await_deadline();
  CK_ULONG size = signature.size();
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11_->C_Sign(sessions[0], data.data(), data.size(), signature.data(), &size));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11_->C_SignFinal(sessions[1], signature.data(), &size));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11_->C_SignMessage(sessions[2], nullptr, 0, data.data(),
                                                            data.size(), signature.data(), &size));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11_->C_SignMessageNext(sessions[3], nullptr, 0, data.data(), data.size(),
                                    signature.data(), &size));
  EXPECT_EQ(signature, Bytes(64)) << "a signature got out";
  EXPECT_EQ(device_keys(), 0U);
}

TEST_F(DeadlineTest, MakesNoKeysAfterIt) {
  await_deadline();
  KeyPair pair;
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, try_generate(session_, kP256, {}, {}, pair));
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT,
            p11_->C_OpenSession(slot_, CKF_SERIAL_SESSION, nullptr, nullptr, &session));
  EXPECT_EQ(device_keys(), 0U);
}

// The task of C_Initialize has its deadline from pReserved.
TEST_F(DeadlineTest, HoldsForTheTaskOfInitialization) {
  ASSERT_RV(CKR_OK, finalize());
  ASSERT_RV(CKR_OK, initialize("brief", "1s"));
  after_ = Clock::now();
  slot_ = only_slot();
  session_ = open_session();
  pair_ = generate(session_, kP256);
  EXPECT_RV(CKR_OK, sign_answer(session_, pair_.private_key, kP256));
  await_deadline();
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, sign_answer(session_, pair_.private_key, kP256));
  EXPECT_EQ(device_keys(), 0U);
  EXPECT_TRUE(slots().empty());
}

}  // namespace
}  // namespace mayfly::test
