// Logging in and out (PKCS#11 3.0, 5.6.9 to 5.6.11), where it is required and where not.
#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

class OptionalLoginTest : public ConformanceTest {};

TEST_F(OptionalLoginTest, IsNotAskedForAndAcceptedAllTheSame) {
  CK_TOKEN_INFO info;
  ASSERT_RV(CKR_OK, p11_->C_GetTokenInfo(slot_, &info));
  EXPECT_EQ(info.flags & CKF_LOGIN_REQUIRED, 0U);
  EXPECT_NE(info.flags & CKF_USER_PIN_INITIALIZED, 0U);
  EXPECT_EQ(info.flags & (CKF_USER_PIN_LOCKED | CKF_USER_PIN_FINAL_TRY), 0U);
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256);
  EXPECT_RV(CKR_OK, sign_answer(session, pair.private_key, kP256));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11_->C_Logout(session));
  EXPECT_RV(CKR_OK, log_in(session, "any PIN"));
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, log_in(session, "any PIN"));
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, log_in(open_session(0), ""));
  EXPECT_RV(CKR_OK, sign_answer(session, pair.private_key, kP256));
}

TEST_F(OptionalLoginTest, TakesAnyPin) {
  const CK_SESSION_HANDLE session = open_session();
  for (const std::string& pin : {std::string(), std::string("x"), std::string(5000, 'p')}) {
    EXPECT_RV(CKR_OK, log_in(session, pin));
    EXPECT_RV(CKR_OK, p11_->C_Logout(session));
  }
  EXPECT_RV(CKR_OK, p11_->C_Login(session, CKU_USER, nullptr, 0));
}

// A logout is one where nothing had to be logged in, too: what was private is gone.
TEST_F(OptionalLoginTest, HasALogoutAsAnywhere) {
  const CK_SESSION_HANDLE session = open_session();
  EXPECT_RV(CKR_OK, log_in(session));
  const KeyPair mine = generate(session, kP256);
  const KeyPair stored = generate(session, kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  EXPECT_RV(CKR_OK, p11_->C_Logout(session));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, sign_answer(session, mine.private_key, kP256));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, sign_answer(session, stored.private_key, kP256));
  EXPECT_EQ(device_keys(), 2U) << "the private session object is on the device";
  const auto again = find(session, {{CKA_CLASS, CKO_PRIVATE_KEY}});
  ASSERT_EQ(again.size(), 1U);
  EXPECT_NE(again[0], stored.private_key);
  EXPECT_RV(CKR_OK, sign_answer(session, again[0], kP256));
}

TEST_F(LoginTest, IsAskedFor) {
  CK_TOKEN_INFO info;
  ASSERT_RV(CKR_OK, p11_->C_GetTokenInfo(slot_, &info));
  EXPECT_NE(info.flags & CKF_LOGIN_REQUIRED, 0U);
  EXPECT_NE(info.flags & CKF_USER_PIN_INITIALIZED, 0U);
  EXPECT_LE(info.ulMinPinLen, std::string(kClientPin).size());
  EXPECT_GE(info.ulMaxPinLen, std::string(kClientPin).size());
}

TEST_F(LoginTest, ChangesTheStateOfAllSessions) {
  const CK_SESSION_HANDLE read_write = open_session();
  const CK_SESSION_HANDLE read_only = open_session(0);
  const auto expect_states = [&](CK_STATE write, CK_STATE read) {
    CK_SESSION_INFO info;
    EXPECT_RV(CKR_OK, p11_->C_GetSessionInfo(read_write, &info));
    EXPECT_EQ(info.state, write);
    EXPECT_RV(CKR_OK, p11_->C_GetSessionInfo(read_only, &info));
    EXPECT_EQ(info.state, read);
  };
  expect_states(CKS_RW_PUBLIC_SESSION, CKS_RO_PUBLIC_SESSION);
  EXPECT_RV(CKR_OK, log_in(read_only));
  expect_states(CKS_RW_USER_FUNCTIONS, CKS_RO_USER_FUNCTIONS);
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, log_in(read_write));
  EXPECT_RV(CKR_OK, p11_->C_Logout(read_write));
  expect_states(CKS_RW_PUBLIC_SESSION, CKS_RO_PUBLIC_SESSION);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11_->C_Logout(read_write));
}

// Closing the last session logs out (5.6.2); closing another does not.
TEST_F(LoginTest, EndsWithTheLastSession) {
  const CK_SESSION_HANDLE one = open_session();
  const CK_SESSION_HANDLE two = open_session();
  EXPECT_RV(CKR_OK, log_in(one));
  EXPECT_RV(CKR_OK, p11_->C_CloseSession(one));
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, log_in(two));
  EXPECT_RV(CKR_OK, p11_->C_CloseSession(two));
  const CK_SESSION_HANDLE three = open_session();
  CK_SESSION_INFO info;
  EXPECT_RV(CKR_OK, p11_->C_GetSessionInfo(three, &info));
  EXPECT_EQ(info.state, CKS_RW_PUBLIC_SESSION);
  EXPECT_RV(CKR_OK, log_in(three));
  EXPECT_RV(CKR_OK, p11_->C_CloseAllSessions(slot_));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11_->C_Logout(open_session()));
}

// What only a user may do, before a login.
TEST_F(LoginTest, IsNeededForWhatIsPrivate) {
  const CK_SESSION_HANDLE session = open_session();
  EXPECT_RV(CKR_OK, log_in(session));
  const KeyPair stored = generate(session, kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  EXPECT_RV(CKR_OK, p11_->C_Logout(session));

  KeyPair pair;
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, try_generate(session, kP256, {}, {}, pair));
  EXPECT_EQ(device_keys(), 2U);
  Template certificate({{CKA_CLASS, CKO_CERTIFICATE},
                        {CKA_CERTIFICATE_TYPE, CKC_X_509},
                        {CKA_SUBJECT, Bytes{0x30, 0}},
                        {CKA_VALUE, Bytes{0x30, 0}},
                        {CKA_PRIVATE, true}});
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            p11_->C_CreateObject(session, certificate.data(), certificate.size(), &made));
  Template hidden({{CKA_PRIVATE, true}});
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            p11_->C_CopyObject(session, stored.public_key, hidden.data(), hidden.size(), &made))
      << "a private copy of a public object (5.7.2)";

  EXPECT_TRUE(find(session, {{CKA_CLASS, CKO_PRIVATE_KEY}}).empty());
  EXPECT_EQ(find(session, {{CKA_CLASS, CKO_PUBLIC_KEY}}), std::vector{stored.public_key});
  CK_MECHANISM ecdsa{kP256.hashing_mechanism, nullptr, 0};
  EXPECT_RV_OF(p11_->C_SignInit(session, &ecdsa, stored.private_key), CKR_USER_NOT_LOGGED_IN,
               CKR_KEY_HANDLE_INVALID);
  if (p11_->C_MessageSignInit != nullptr) {  // a front door of 2.40 has none
    EXPECT_RV_OF(p11_->C_MessageSignInit(session, &ecdsa, stored.private_key),
                 CKR_USER_NOT_LOGGED_IN, CKR_KEY_HANDLE_INVALID);
  }
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, p11_->C_DestroyObject(session, stored.private_key));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, get_answer(session, stored.private_key, CKA_CLASS));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID,
            p11_->C_CopyObject(session, stored.private_key, nullptr, 0, &made));
  EXPECT_EQ(device_keys(), 2U);

  // What is public needs no login.
  Bytes data(4);
  EXPECT_RV(CKR_OK, p11_->C_VerifyInit(session, &ecdsa, stored.public_key));
  EXPECT_RV(CKR_SIGNATURE_INVALID,
            p11_->C_Verify(session, data.data(), data.size(), Bytes(64).data(), 64));
  Template open_certificate = certificate.without(CKA_PRIVATE);
  EXPECT_RV(CKR_OK,
            p11_->C_CreateObject(session, open_certificate.data(), open_certificate.size(), &made));
}

// "Any of the application's handles to private objects become invalid (even if a user is later
// logged back in, those handles remain invalid). In addition, all private session objects are
// destroyed." (5.6.11)
TEST_F(LoginTest, EndsWithEverythingPrivate) {
  const CK_SESSION_HANDLE session = open_session();
  EXPECT_RV(CKR_OK, log_in(session));
  const KeyPair mine = generate(session, kP256);
  const KeyPair stored =
      generate(session, kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}, {CKA_LABEL, "stored"}});
  const KeyPair hidden =
      generate(session, kP256, {{CKA_PRIVATE, true}, {CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  EXPECT_RV(CKR_OK, p11_->C_Logout(session));
  EXPECT_EQ(device_keys(), 4U);
  EXPECT_RV(CKR_OK, get_answer(session, mine.public_key, CKA_ID)) << "a public session object";
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, get_answer(session, hidden.public_key, CKA_ID));

  EXPECT_RV(CKR_OK, log_in(session));
  for (const CK_OBJECT_HANDLE old : {mine.private_key, stored.private_key, hidden.private_key}) {
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, sign_answer(session, old, kP256));
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, get_answer(session, old, CKA_ID));
  }
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, get_answer(session, hidden.public_key, CKA_ID));
  const auto again = find(session, {{CKA_LABEL, "stored"}});
  ASSERT_EQ(again.size(), 1U);
  EXPECT_NE(again[0], stored.private_key);
  EXPECT_RV(CKR_OK, sign_answer(session, again[0], kP256));
}

// Whether the key is made before the logout or after it: none is left that the next login meets.
TEST_F(LoginTest, EndsWithWhatIsBeingMade) {
  const CK_SESSION_HANDLE session = open_session();
  const CK_SESSION_HANDLE other = open_session();
  for (int i = 0; i < 6; ++i) {
    ASSERT_RV(CKR_OK, log_in(session));
    KeyPair pair;
    std::atomic<bool> running{false};
    std::thread maker([&] {
      running = true;
      try_generate(session, kRsa2048, {}, {}, pair);
    });
    while (!running) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // most likely while it is made
    EXPECT_RV(CKR_OK, p11_->C_Logout(other));
    maker.join();
    ASSERT_RV(CKR_OK, log_in(session));
    EXPECT_EQ(find(session, {{CKA_CLASS, CKO_PRIVATE_KEY}}).size(), 0U);
    if (pair.private_key != CK_INVALID_HANDLE) {
      EXPECT_RV(CKR_KEY_HANDLE_INVALID, sign_answer(session, pair.private_key, kRsa2048));
    }
    EXPECT_RV(CKR_OK, p11_->C_Logout(session));
  }
}

// An operation that began under a login does not go on after it, even after the next login.
TEST_F(LoginTest, EndsWithWhatItBegan) {
  const CK_SESSION_HANDLE session = open_session();
  const CK_SESSION_HANDLE other = open_session(0);
  CK_MECHANISM ecdsa{kP256.hashing_mechanism, nullptr, 0};
  Bytes data(5);
  for (const bool login_again : {false, true}) {
    SCOPED_TRACE(login_again ? "after the next login" : "after the logout");
    EXPECT_RV(CKR_OK, log_in(session));
    const KeyPair pair = generate(session, kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
    EXPECT_RV(CKR_OK, p11_->C_SignInit(session, &ecdsa, pair.private_key));
    EXPECT_RV(CKR_OK, p11_->C_SignInit(other, &ecdsa, pair.private_key));
    EXPECT_RV(CKR_OK, p11_->C_SignUpdate(other, data.data(), data.size()));
    EXPECT_RV(CKR_OK, p11_->C_MessageSignInit(session, &ecdsa, pair.private_key));
    EXPECT_RV(CKR_OK, p11_->C_FindObjectsInit(session, nullptr, 0));
    EXPECT_RV(CKR_OK, p11_->C_Logout(other));
    if (login_again) {
      EXPECT_RV(CKR_OK, log_in(other));
    }
    Bytes signature(64);
    CK_ULONG size = signature.size();
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
              p11_->C_Sign(session, data.data(), data.size(), signature.data(), &size));
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11_->C_SignFinal(other, signature.data(), &size));
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11_->C_SignMessage(session, nullptr, 0, data.data(),
                                                          data.size(), signature.data(), &size));
    EXPECT_EQ(signature, Bytes(64)) << "a signature got out";
    // The search may go on, but what it finds that was private is not there.
    std::vector<CK_OBJECT_HANDLE> found(10);
    CK_ULONG count = 0;
    if (p11_->C_FindObjects(session, found.data(), found.size(), &count) == CKR_OK) {
      for (CK_ULONG i = 0; i < count; ++i) {
        if (found[i] != pair.private_key) continue;
        EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, get_answer(session, found[i], CKA_CLASS));
      }
    }
    static_cast<void>(p11_->C_SessionCancel(session, ~0UL));
    static_cast<void>(p11_->C_SessionCancel(other, ~0UL));
    if (!login_again) continue;
    EXPECT_RV(CKR_OK, p11_->C_Logout(session));
  }
}

TEST_F(LoginTest, TakesTheRightPinOnly) {
  const CK_SESSION_HANDLE session = open_session();
  const std::string right = kClientPin;
  for (const std::string& wrong :
       {std::string(), right.substr(1), right + "x", right + '\0', right + "\n",
        std::string(right.size(), 'x'), std::string(8000, 'x')}) {
    EXPECT_RV(CKR_PIN_INCORRECT, log_in(session, wrong));
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11_->C_Logout(session));
  }
  EXPECT_RV(CKR_PIN_INCORRECT, p11_->C_Login(session, CKU_USER, nullptr, 0));
  EXPECT_RV(CKR_OK, log_in(session));
}

TEST_F(LoginTest, KnowsOneKindOfUser) {
  const CK_SESSION_HANDLE session = open_session();
  EXPECT_RV_OF(log_in(session, kClientPin, CKU_SO), CKR_USER_TYPE_INVALID, CKR_PIN_INCORRECT,
               CKR_USER_PIN_NOT_INITIALIZED);
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, log_in(session, kClientPin, CKU_CONTEXT_SPECIFIC));
  for (const CK_USER_TYPE other : {CK_USER_TYPE{3}, CK_USER_TYPE{CKM_VENDOR_DEFINED}, ~0UL}) {
    EXPECT_RV(CKR_USER_TYPE_INVALID, log_in(session, kClientPin, other));
  }
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11_->C_Logout(session)) << "somebody was logged in";
  EXPECT_RV(CKR_OK, log_in(session));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, log_in(session, kClientPin, CKU_CONTEXT_SPECIFIC));
  const KeyPair pair = generate(session, kP256);
  EXPECT_RV(CKR_OK, sign_answer(session, pair.private_key, kP256));
}

TEST_F(LoginTest, KnowsTheTaskByName) {
  const CK_SESSION_HANDLE session = open_session();
  std::string pin = kClientPin;
  const auto log_in_as = [&](std::string name, const std::string& with) {
    std::string secret = with;
    return p11_->C_LoginUser(session, CKU_USER, reinterpret_cast<CK_UTF8CHAR*>(secret.data()),
                             secret.size(), reinterpret_cast<CK_UTF8CHAR*>(name.data()),
                             name.size());
  };
  EXPECT_RV(CKR_PIN_INCORRECT, log_in_as("somebody", pin));
  EXPECT_RV(CKR_PIN_INCORRECT, log_in_as(kTask, "wrong"));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11_->C_Logout(session));
  EXPECT_RV(CKR_OK, log_in_as(kTask, pin));
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, log_in_as(kTask, pin));
  EXPECT_RV(CKR_OK, p11_->C_Logout(session));
  EXPECT_RV(CKR_OK, log_in_as("", pin));
}

// After too many wrong PINs the right one is refused, too, and the token says so.
TEST_F(LoginTest, IsLockedAfterTooManyWrongPins) {
  const CK_SESSION_HANDLE session = open_session();
  const auto flags = [&] {
    CK_TOKEN_INFO info{};
    EXPECT_RV(CKR_OK, p11_->C_GetTokenInfo(slot_, &info));
    return info.flags;
  };
  EXPECT_RV(CKR_PIN_INCORRECT, log_in(session, "wrong"));
  EXPECT_RV(CKR_OK, log_in(session)) << "one wrong PIN locks nobody out";
  EXPECT_RV(CKR_OK, p11_->C_Logout(session));
  CK_RV rv = CKR_PIN_INCORRECT;
  int tries = 0;
  for (; rv == CKR_PIN_INCORRECT && tries < 100; ++tries) rv = log_in(session, "wrong");
  EXPECT_RV(CKR_PIN_LOCKED, rv);
  EXPECT_GE(tries, 4) << "a person may mistype";
  EXPECT_LE(tries, 20);
  EXPECT_RV(CKR_PIN_LOCKED, log_in(session));
  EXPECT_RV(CKR_PIN_LOCKED, log_in(session));
  EXPECT_TRUE(find(session, {{CKA_CLASS, CKO_PRIVATE_KEY}}).empty());
  EXPECT_NE(flags() & CKF_USER_PIN_LOCKED, 0U);
}

TEST_F(LoginTest, TellsThatPinsWereWrong) {
  const CK_SESSION_HANDLE session = open_session();
  EXPECT_RV(CKR_PIN_INCORRECT, log_in(session, "wrong"));
  CK_TOKEN_INFO info;
  ASSERT_RV(CKR_OK, p11_->C_GetTokenInfo(slot_, &info));
  EXPECT_NE(info.flags & CKF_USER_PIN_COUNT_LOW, 0U)
      << "an incorrect PIN was entered since the last login (3.2)";
  EXPECT_RV(CKR_OK, log_in(session));
  ASSERT_RV(CKR_OK, p11_->C_GetTokenInfo(slot_, &info));
  EXPECT_EQ(info.flags & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY), 0U);
}

TEST_F(LoginTest, IsOfOneTaskOnly) {
  const CK_SLOT_ID second = open_task("second");
  const CK_SESSION_HANDLE here = open_session();
  const CK_SESSION_HANDLE there = open_session(CKF_RW_SESSION, second);
  EXPECT_RV(CKR_OK, log_in(here));
  CK_SESSION_INFO info;
  EXPECT_RV(CKR_OK, p11_->C_GetSessionInfo(there, &info));
  EXPECT_EQ(info.state, CKS_RW_PUBLIC_SESSION);
  KeyPair pair;
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, try_generate(there, kP256, {}, {}, pair));
  EXPECT_RV(CKR_OK, log_in(there));
  EXPECT_RV(CKR_OK, p11_->C_Logout(here));
  EXPECT_RV(CKR_OK, try_generate(there, kP256, {}, {}, pair));
}

// No PIN in the log, right or wrong.
TEST_F(LoginTest, LeavesNoPinInTheLog) {
  const CK_SESSION_HANDLE session = open_session();
  EXPECT_RV(CKR_PIN_INCORRECT, log_in(session, "nearly the PIN"));
  EXPECT_RV(CKR_OK, log_in(session));
  EXPECT_NE(log_text().find("C_Login"), std::string::npos) << "the refusal is logged";
  EXPECT_EQ(log_text().find("nearly"), std::string::npos);
  EXPECT_EQ(log_text().find(kClientPin), std::string::npos);
}

}  // namespace
}  // namespace mayfly::test
