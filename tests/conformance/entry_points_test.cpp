// The table of all functions, run against each of the states that the library can be in.
#include "conformance/entry_points.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

/// What p11-kit's client answers by itself, whatever it is asked.
bool is_answered_by_p11kit(const EntryPoint& row) {
  return door_under_test() == "p11kit" && (row.function == Function::C_GetFunctionStatus ||
                                           row.function == Function::C_CancelFunction);
}

class EntryPointTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    CK_SLOT_ID ignored = 0;
    while (p11_->C_WaitForSlotEvent(CKF_DONT_BLOCK, &ignored, nullptr) == CKR_OK) {
    }
  }

  /// A call in a session of its own, with a key pair of that session.
  Call new_call() {
    const CK_SESSION_HANDLE session = open_session();
    const KeyPair pair = generate(session, kP256);
    return {*p11_, slot_, session, pair.public_key, pair.private_key};
  }

  /// Ends what a call left behind: its session, its login, and sessions that it opened.
  void clean_up() { EXPECT_RV(CKR_OK, p11_->C_CloseAllSessions(slot_)); }

  void begin(const Call& call, Begin what) {
    CK_MECHANISM digest{CKM_SHA256, nullptr, 0};
    CK_MECHANISM ecdsa{kP256.hashing_mechanism, nullptr, 0};
    const auto message_sign = [&] {
      EXPECT_RV(CKR_OK, p11_->C_MessageSignInit(call.session, &ecdsa, call.private_key));
    };
    const auto message_verify = [&] {
      EXPECT_RV(CKR_OK, p11_->C_MessageVerifyInit(call.session, &ecdsa, call.public_key));
    };
    switch (what) {
      case Begin::nothing:
        break;
      case Begin::digest:
        EXPECT_RV(CKR_OK, p11_->C_DigestInit(call.session, &digest));
        break;
      case Begin::sign:
        EXPECT_RV(CKR_OK, p11_->C_SignInit(call.session, &ecdsa, call.private_key));
        break;
      case Begin::verify:
        EXPECT_RV(CKR_OK, p11_->C_VerifyInit(call.session, &ecdsa, call.public_key));
        break;
      case Begin::find:
        EXPECT_RV(CKR_OK, p11_->C_FindObjectsInit(call.session, nullptr, 0));
        break;
      case Begin::message_sign:
        message_sign();
        break;
      case Begin::sign_message:
        message_sign();
        EXPECT_RV(CKR_OK, p11_->C_SignMessageBegin(call.session, nullptr, 0));
        break;
      case Begin::message_verify:
        message_verify();
        break;
      case Begin::verify_message:
        message_verify();
        EXPECT_RV(CKR_OK, p11_->C_VerifyMessageBegin(call.session, nullptr, 0));
        break;
    }
  }
};

TEST_F(EntryPointTest, AnswersInANewSession) {
  for (const EntryPoint& row : entry_points()) {
    SCOPED_TRACE(row.name);
    Call call = new_call();
    EXPECT_RV(row.plain, row.call(call));
    clean_up();
  }
}

TEST_F(EntryPointTest, NothingWorksBeforeInitialization) {
  Call call = new_call();
  ASSERT_RV(CKR_OK, finalize());
  for (const EntryPoint& row : entry_points()) {
    if (row.function == Function::C_Initialize || is_answered_by_p11kit(row)) continue;
    SCOPED_TRACE(row.name);
    const CK_RV rv = row.call(call);
    if (row.needs == Needs::nothing) {
      EXPECT_RV(row.plain, rv);
    } else if (row.function == Function::C_Finalize) {
      EXPECT_RV_OF(rv, CKR_ARGUMENTS_BAD, CKR_CRYPTOKI_NOT_INITIALIZED);
      EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, finalize());
    } else {
      EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, rv);
    }
  }
  ASSERT_RV(CKR_OK, initialize(kTask));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11_->C_CloseSession(call.session))
      << "a handle of before C_Finalize is valid again";
}

TEST_F(EntryPointTest, RefusesWhatIsNoSession) {
  const Call good = new_call();
  const CK_SESSION_HANDLE closed = open_session();
  ASSERT_RV(CKR_OK, p11_->C_CloseSession(closed));
  const struct {
    const char* what;
    CK_SESSION_HANDLE handle;
  } handles[] = {
      {"0", 0},
      {"1", 1},
      {"the largest number", ~0UL},
      {"a closed session", closed},
      {"a private key", good.private_key},
      {"a public key", good.public_key},
      {"a slot", slot_},
      {"the next handle", good.private_key + 1},
  };
  for (const EntryPoint& row : entry_points()) {
    if (row.needs != Needs::session || is_answered_by_p11kit(row)) continue;
    for (const auto& [what, handle] : handles) {
      SCOPED_TRACE(std::string(row.name) + " with " + what);
      Call call = good;
      call.session = handle;
      EXPECT_RV(CKR_SESSION_HANDLE_INVALID, row.call(call));
    }
  }
  EXPECT_RV(CKR_OK, sign_answer(good.session, good.private_key, kP256)) << "the good session died";
}

TEST_F(EntryPointTest, RefusesWhatIsNoSlot) {
  const Call good = new_call();
  for (const EntryPoint& row : entry_points()) {
    if (row.needs != Needs::slot) continue;
    for (const CK_SLOT_ID wrong : {CK_SLOT_ID{0}, ~0UL, good.session, good.public_key}) {
      SCOPED_TRACE(std::string(row.name) + " with " + std::to_string(wrong));
      Call call = good;
      call.slot = wrong;
      EXPECT_RV(CKR_SLOT_ID_INVALID, row.call(call));
    }
  }
  EXPECT_RV(CKR_OK, sign_answer(good.session, good.private_key, kP256)) << "the good session died";
}

TEST_F(EntryPointTest, RefusesEachRequiredPointerThatIsNull) {
  for (const EntryPoint& row : entry_points()) {
    for (int null = 0; null < row.nulls.count; ++null) {
      SCOPED_TRACE(std::string(row.name) + ", pointer " + std::to_string(null));
      Call call = new_call();
      begin(call, row.begin);
      call.null = null;
      EXPECT_RV(row.nulls.answers[static_cast<std::size_t>(null)], row.call(call));
      EXPECT_EQ(call.made[0], CK_INVALID_HANDLE) << "something was made all the same";
      clean_up();
    }
  }
}

// An object handle is looked up in the table of the session's own token, whatever number comes.
TEST_F(EntryPointTest, RefusesWhatIsNoObject) {
  const Call good = new_call();
  const KeyPair gone = generate(good.session, kP256);
  ASSERT_RV(CKR_OK, p11_->C_DestroyObject(good.session, gone.private_key));
  ASSERT_RV(CKR_OK, p11_->C_DestroyObject(good.session, gone.public_key));
  const struct {
    Function function;
    CK_RV answer;
  } users[] = {
      {Function::C_CopyObject, CKR_OBJECT_HANDLE_INVALID},
      {Function::C_DestroyObject, CKR_OBJECT_HANDLE_INVALID},
      {Function::C_GetObjectSize, CKR_OBJECT_HANDLE_INVALID},
      {Function::C_GetAttributeValue, CKR_OBJECT_HANDLE_INVALID},
      {Function::C_SetAttributeValue, CKR_OBJECT_HANDLE_INVALID},
      {Function::C_SignInit, CKR_KEY_HANDLE_INVALID},
      {Function::C_VerifyInit, CKR_KEY_HANDLE_INVALID},
      {Function::C_MessageSignInit, CKR_KEY_HANDLE_INVALID},
      {Function::C_MessageVerifyInit, CKR_KEY_HANDLE_INVALID},
  };
  for (const auto& [function, answer] : users) {
    if (static_cast<std::size_t>(function) >= entry_points().size()) continue;
    const EntryPoint& row = entry_points()[static_cast<std::size_t>(function)];
    for (const CK_OBJECT_HANDLE wrong :
         {CK_OBJECT_HANDLE{0}, ~0UL, good.session, slot_, gone.private_key, gone.public_key}) {
      SCOPED_TRACE(std::string(row.name) + " with " + std::to_string(wrong));
      Call call = good;
      call.public_key = call.private_key = wrong;
      EXPECT_RV(answer, row.call(call));
    }
  }
}

// NULL is fine where there is nothing to point to.
TEST_F(EntryPointTest, TakesNullWithLengthZero) {
  const Call call = new_call();
  begin(call, Begin::digest);
  EXPECT_RV(CKR_OK, p11_->C_DigestUpdate(call.session, nullptr, 0));
  begin(call, Begin::sign);
  EXPECT_RV(CKR_OK, p11_->C_SignUpdate(call.session, nullptr, 0));
  begin(call, Begin::verify);
  EXPECT_RV(CKR_OK, p11_->C_VerifyUpdate(call.session, nullptr, 0));
  EXPECT_RV(CKR_OK, p11_->C_GenerateRandom(call.session, nullptr, 0));
  EXPECT_RV(CKR_OK, p11_->C_GetAttributeValue(call.session, call.public_key, nullptr, 0));
  EXPECT_RV(CKR_OK, p11_->C_SetAttributeValue(call.session, call.public_key, nullptr, 0));
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_OK, p11_->C_CopyObject(call.session, call.private_key, nullptr, 0, &copy));
  EXPECT_NE(copy, CK_INVALID_HANDLE);
  EXPECT_NE(copy, call.private_key);
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, p11_->C_CreateObject(call.session, nullptr, 0, &copy));
  begin(call, Begin::find);
  CK_ULONG found = 7;
  EXPECT_RV(CKR_OK, p11_->C_FindObjects(call.session, nullptr, 0, &found));
  EXPECT_EQ(found, 0U);
  EXPECT_RV(CKR_OK, p11_->C_FindObjectsFinal(call.session));
}

// A length that no memory has must not be believed.
TEST_F(EntryPointTest, RefusesLengthsThatNoMemoryHas) {
  Call call = new_call();
  Bytes byte(1);
  for (const CK_ULONG size : {~0UL, ~0UL / 2 + 1}) {
    SCOPED_TRACE(size);
    EXPECT_RV(CKR_ARGUMENTS_BAD, p11_->C_GenerateRandom(call.session, byte.data(), size));
    begin(call, Begin::digest);
    EXPECT_RV(CKR_ARGUMENTS_BAD, p11_->C_DigestUpdate(call.session, byte.data(), size));
    begin(call, Begin::sign);
    EXPECT_RV(CKR_ARGUMENTS_BAD, p11_->C_SignUpdate(call.session, byte.data(), size));
    CK_ATTRIBUTE label{CKA_LABEL, byte.data(), size};
    EXPECT_NE(p11_->C_SetAttributeValue(call.session, call.public_key, &label, 1), CKR_OK);
    EXPECT_NE(p11_->C_SetAttributeValue(call.session, call.public_key, &label, size), CKR_OK);
    EXPECT_NE(p11_->C_FindObjectsInit(call.session, &label, size), CKR_OK);
    EXPECT_NE(p11_->C_Login(call.session, CKU_USER, byte.data(), size), CKR_OK);
  }
}

}  // namespace
}  // namespace mayfly::test
