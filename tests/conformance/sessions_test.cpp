// Sessions: what they are, how many there may be, and what ends with them.
#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

class SessionTest : public ConformanceTest {
 protected:
  using ConformanceTest::ConformanceTest;

  [[nodiscard]] CK_SESSION_INFO info_of(CK_SESSION_HANDLE session) {
    CK_SESSION_INFO info{};
    EXPECT_RV(CKR_OK, p11_->C_GetSessionInfo(session, &info));
    return info;
  }
  [[nodiscard]] CK_TOKEN_INFO token_info(CK_SLOT_ID slot) {
    CK_TOKEN_INFO info{};
    EXPECT_RV(CKR_OK, p11_->C_GetTokenInfo(slot, &info));
    return info;
  }
};

TEST_F(SessionTest, TellsWhatItIs) {
  const CK_SESSION_HANDLE read_write = open_session();
  const CK_SESSION_HANDLE read_only = open_session(0);
  EXPECT_NE(read_write, read_only);
  for (const CK_SESSION_HANDLE session : {read_write, read_only}) {
    const CK_SESSION_INFO info = info_of(session);
    const bool writes = session == read_write;
    EXPECT_EQ(info.slotID, slot_);
    EXPECT_EQ(info.flags, CKF_SERIAL_SESSION | (writes ? CKF_RW_SESSION : 0));
    // No login is required: clients behave best when they are told that there is one.
    EXPECT_EQ(info.state, writes ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS);
    EXPECT_EQ(info.ulDeviceError, 0U);
  }
}

TEST_F(SessionTest, MustBeSerial) {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  for (const CK_FLAGS flags : {CK_FLAGS{0}, CK_FLAGS{CKF_RW_SESSION}}) {
    EXPECT_RV(CKR_SESSION_PARALLEL_NOT_SUPPORTED,
              p11_->C_OpenSession(slot_, flags, nullptr, nullptr, &session));
    EXPECT_EQ(session, CK_INVALID_HANDLE);
  }
}

TEST_F(SessionTest, IsCounted) {
  EXPECT_EQ(token_info(slot_).ulSessionCount, 0U);
  const CK_SESSION_HANDLE one = open_session();
  static_cast<void>(open_session(0));
  const CK_SESSION_HANDLE three = open_session();
  EXPECT_EQ(token_info(slot_).ulSessionCount, 3U);
  EXPECT_EQ(token_info(slot_).ulRwSessionCount, 2U);
  EXPECT_RV(CKR_OK, p11_->C_CloseSession(one));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11_->C_CloseSession(one));
  EXPECT_EQ(token_info(slot_).ulSessionCount, 2U);
  EXPECT_EQ(token_info(slot_).ulRwSessionCount, 1U);
  EXPECT_RV(CKR_OK, p11_->C_CloseAllSessions(slot_));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11_->C_CloseSession(three));
  EXPECT_EQ(token_info(slot_).ulSessionCount, 0U);
  EXPECT_RV(CKR_OK, p11_->C_CloseAllSessions(slot_)) << "with none open";
}

TEST_F(SessionTest, GivesHandlesThatNeverComeBack) {
  std::set<CK_ULONG> seen;
  for (int i = 0; i < 1000; ++i) {
    const CK_SESSION_HANDLE session = open_session(i % 2 == 0 ? CKF_RW_SESSION : 0);
    EXPECT_TRUE(seen.insert(session).second);
    if (i % 10 == 0) {
      const KeyPair pair = generate(session, kP256);
      EXPECT_TRUE(seen.insert(pair.public_key).second);
      EXPECT_TRUE(seen.insert(pair.private_key).second);
    }
    EXPECT_RV(CKR_OK, p11_->C_CloseSession(session));
  }
  EXPECT_FALSE(seen.contains(CK_INVALID_HANDLE));
}

TEST_F(SessionTest, ObjectsDieWithTheirSession) {
  const CK_SESSION_HANDLE owner = open_session();
  const CK_SESSION_HANDLE other = open_session();
  const KeyPair mine = generate(owner, kP256);
  const KeyPair others = generate(other, kP256);
  EXPECT_EQ(device_keys(), 4U);
  // Session objects can be used by all sessions of the application while they live.
  EXPECT_RV(CKR_OK, sign_answer(other, mine.private_key, kP256));

  CK_MECHANISM mechanism{kP256.hashing_mechanism, nullptr, 0};
  Bytes data(5);
  Bytes signature(64);
  CK_ULONG size = signature.size();
  EXPECT_RV(CKR_OK, p11_->C_SignInit(other, &mechanism, mine.private_key));
  EXPECT_RV(CKR_OK, p11_->C_CloseSession(owner));
  EXPECT_EQ(device_keys(), 2U);
  EXPECT_NE(p11_->C_Sign(other, data.data(), data.size(), signature.data(), &size), CKR_OK)
      << "an operation in another session went on with a key that is gone";
  EXPECT_EQ(signature, Bytes(64));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, sign_answer(other, mine.private_key, kP256));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, get_answer(other, mine.public_key, CKA_ID));
  EXPECT_RV(CKR_OK, sign_answer(other, others.private_key, kP256));
  EXPECT_EQ(find(other, {{CKA_CLASS, CKO_PRIVATE_KEY}}).size(), 1U);
}

TEST_F(SessionTest, ObjectsOfTheTokenOutliveTheirSession) {
  const CK_SESSION_HANDLE owner = open_session();
  const KeyPair stored = generate(owner, kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  EXPECT_RV(CKR_OK, p11_->C_CloseAllSessions(slot_));
  const CK_SESSION_HANDLE later = open_session(0);
  EXPECT_EQ(find(later, {{CKA_CLASS, CKO_PRIVATE_KEY}}), std::vector{stored.private_key});
  EXPECT_RV(CKR_OK, sign_answer(later, stored.private_key, kP256));
  EXPECT_EQ(device_keys(), 2U);
  EXPECT_RV(CKR_OK, end_task());
  EXPECT_EQ(device_keys(), 0U);
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, sign_answer(later, stored.private_key, kP256));
}

TEST_F(SessionTest, MakesNoTokenObjectsWhenReadOnly) {
  const CK_SESSION_HANDLE session = open_session(0);
  KeyPair pair;
  EXPECT_RV(CKR_SESSION_READ_ONLY, try_generate(session, kP256, {{CKA_TOKEN, true}}, {}, pair));
  EXPECT_RV(CKR_SESSION_READ_ONLY, try_generate(session, kP256, {}, {{CKA_TOKEN, true}}, pair));
  EXPECT_EQ(device_keys(), 0U);
  EXPECT_RV(CKR_OK, try_generate(session, kP256, {}, {}, pair));
  EXPECT_RV(CKR_OK, sign_answer(session, pair.private_key, kP256));
  EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, pair.private_key));
}

// One half may be a session object and the other live on.
TEST_F(SessionTest, HalvesOfAKeyPairLiveApart) {
  const CK_SESSION_HANDLE owner = open_session();
  const KeyPair pair = generate(owner, kP256, {{CKA_TOKEN, false}}, {{CKA_TOKEN, true}});
  const KeyPair inverse = generate(owner, kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, false}});
  EXPECT_RV(CKR_OK, p11_->C_CloseSession(owner));
  const CK_SESSION_HANDLE later = open_session();
  EXPECT_RV(CKR_OK, sign_answer(later, pair.private_key, kP256));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, get_answer(later, pair.public_key, CKA_ID));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, sign_answer(later, inverse.private_key, kP256));
  EXPECT_RV(CKR_OK, get_answer(later, inverse.public_key, CKA_ID));
  EXPECT_EQ(device_keys(), 2U) << "the private key of a dead session is on the device";
}

// Java's keytool: a private session key is copied to the token, and its session closed.
TEST_F(SessionTest, ACopyOnTheTokenOutlivesTheSessionOfItsOriginal) {
  const CK_SESSION_HANDLE owner = open_session();
  const KeyPair pair = generate(owner, kP256);
  Template to_token({{CKA_TOKEN, true}, {CKA_LABEL, "kept"}});
  CK_OBJECT_HANDLE kept = CK_INVALID_HANDLE;
  ASSERT_RV(CKR_OK,
            p11_->C_CopyObject(owner, pair.private_key, to_token.data(), to_token.size(), &kept));
  EXPECT_RV(CKR_OK, p11_->C_CloseSession(owner));
  const CK_SESSION_HANDLE later = open_session(0);
  EXPECT_EQ(find(later, {{CKA_LABEL, "kept"}}), std::vector{kept});
  EXPECT_RV(CKR_OK, sign_answer(later, kept, kP256));
  EXPECT_EQ(device_keys(), 2U);
  EXPECT_RV(CKR_OK, end_task());
  EXPECT_EQ(device_keys(), 0U);
}

TEST_F(SessionTest, DestroyingOneNameKeepsTheOther) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256);
  std::vector<CK_OBJECT_HANDLE> names = {pair.private_key};
  for (int i = 0; i < 3; ++i) {
    names.push_back(CK_INVALID_HANDLE);
    ASSERT_RV(CKR_OK, p11_->C_CopyObject(session, names.front(), nullptr, 0, &names.back()));
  }
  while (!names.empty()) {
    for (const CK_OBJECT_HANDLE name : names) EXPECT_RV(CKR_OK, sign_answer(session, name, kP256));
    EXPECT_EQ(device_keys(), 2U);
    EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, names.front()));
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, p11_->C_DestroyObject(session, names.front()));
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, sign_answer(session, names.front(), kP256));
    names.erase(names.begin());
  }
  EXPECT_EQ(device_keys(), 0U) << "the last name is gone, the key is not";
  // The public half is an object of its own and knows nothing of it.
  EXPECT_RV(CKR_OK, get_answer(session, pair.public_key, CKA_EC_POINT));
}

// A key that is destroyed under an operation does not sign any more, by whatever name it began.
TEST_F(SessionTest, OperationsEndWithTheirKey) {
  const CK_SESSION_HANDLE session = open_session();
  const CK_SESSION_HANDLE other = open_session();
  CK_MECHANISM mechanism{kP256.hashing_mechanism, nullptr, 0};
  Bytes data(5);
  Bytes signature(64);
  const struct {
    const char* what;
    std::function<CK_RV(CK_OBJECT_HANDLE)> begin;
    std::function<CK_RV(CK_ULONG*)> finish;
  } rows[] = {
      {"C_Sign", [&](CK_OBJECT_HANDLE key) { return p11_->C_SignInit(session, &mechanism, key); },
       [&](CK_ULONG* size) {
         return p11_->C_Sign(session, data.data(), data.size(), signature.data(), size);
       }},
      {"C_SignFinal",
       [&](CK_OBJECT_HANDLE key) {
         const CK_RV rv = p11_->C_SignInit(session, &mechanism, key);
         return rv != CKR_OK ? rv : p11_->C_SignUpdate(session, data.data(), data.size());
       },
       [&](CK_ULONG* size) { return p11_->C_SignFinal(session, signature.data(), size); }},
      {"C_SignMessage",
       [&](CK_OBJECT_HANDLE key) { return p11_->C_MessageSignInit(session, &mechanism, key); },
       [&](CK_ULONG* size) {
         return p11_->C_SignMessage(session, nullptr, 0, data.data(), data.size(), signature.data(),
                                    size);
       }},
      {"C_SignMessageNext",
       [&](CK_OBJECT_HANDLE key) {
         const CK_RV rv = p11_->C_MessageSignInit(session, &mechanism, key);
         return rv != CKR_OK ? rv : p11_->C_SignMessageBegin(session, nullptr, 0);
       },
       [&](CK_ULONG* size) {
         return p11_->C_SignMessageNext(session, nullptr, 0, data.data(), data.size(),
                                        signature.data(), size);
       }},
  };
  for (const auto& row : rows) {
    for (const bool has_other_name : {false, true}) {
      SCOPED_TRACE(std::string(row.what) + (has_other_name ? ", with another name left" : ""));
      const KeyPair pair = generate(session, kP256);
      CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
      if (has_other_name) {
        ASSERT_RV(CKR_OK, p11_->C_CopyObject(session, pair.private_key, nullptr, 0, &copy));
      }
      ASSERT_RV(CKR_OK, row.begin(pair.private_key));
      ASSERT_RV(CKR_OK, p11_->C_DestroyObject(other, pair.private_key));
      CK_ULONG size = signature.size();
      EXPECT_RV_OF(row.finish(&size), CKR_OPERATION_NOT_INITIALIZED, CKR_KEY_HANDLE_INVALID);
      EXPECT_EQ(signature, Bytes(64)) << "a signature got out";
      static_cast<void>(p11_->C_SessionCancel(session, CKF_SIGN | CKF_MESSAGE_SIGN));
      EXPECT_EQ(device_keys(), has_other_name ? 2U : 0U);
      if (!has_other_name) continue;
      EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, copy));
    }
  }
}

class SessionLimitTest : public SessionTest {
 protected:
  SessionLimitTest() : SessionTest(Settings{.max_sessions = 5}) {}
};

TEST_F(SessionLimitTest, IsKeptAndTold) {
  EXPECT_EQ(token_info(slot_).ulMaxSessionCount, 5U);
  std::vector<CK_SESSION_HANDLE> open;
  for (int i = 0; i < 5; ++i) open.push_back(open_session());
  CK_SESSION_HANDLE one_more = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_SESSION_COUNT,
            p11_->C_OpenSession(slot_, CKF_SERIAL_SESSION, nullptr, nullptr, &one_more));
  EXPECT_RV(CKR_OK, p11_->C_CloseSession(open.back()));
  static_cast<void>(open_session());
}

// limits.sessions is for each application, whatever tokens it uses.
TEST_F(SessionLimitTest, IsOneForAllTokensOfAnApplication) {
  const CK_SLOT_ID other = open_task("other");
  for (int i = 0; i < 3; ++i) static_cast<void>(open_session());
  for (int i = 0; i < 2; ++i) static_cast<void>(open_session(CKF_RW_SESSION, other));
  CK_SESSION_HANDLE one_more = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_SESSION_COUNT,
            p11_->C_OpenSession(other, CKF_SERIAL_SESSION, nullptr, nullptr, &one_more));
}

}  // namespace
}  // namespace mayfly::test
