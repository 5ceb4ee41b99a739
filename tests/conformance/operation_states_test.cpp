// Operations: when they are active, what ends them, and what does not mix.
#include <functional>

#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

class OperationStateTest : public ConformanceTest {
 protected:
  /// One kind of operation.
  struct Kind {
    const char* name;
    CK_FLAGS flag;  ///< for C_SessionCancel
    std::function<CK_RV()> begin;
    std::function<CK_RV()> stop;   ///< the Init function with a NULL mechanism; empty for finds
    std::function<CK_RV()> go_on;  ///< a call that needs the operation and does not end it
  };

  void SetUp() override {
    ConformanceTest::SetUp();
    session_ = open_session();
    pair_ = generate(session_, kP256);
  }

  [[nodiscard]] std::vector<Kind> kinds() {
    return {
        {"digest", CKF_DIGEST, [this] { return p11_->C_DigestInit(session_, &sha256_); },
         [this] { return p11_->C_DigestInit(session_, nullptr); },
         [this] { return p11_->C_DigestUpdate(session_, data_.data(), data_.size()); }},
        {"sign", CKF_SIGN,
         [this] { return p11_->C_SignInit(session_, &ecdsa_, pair_.private_key); },
         [this] { return p11_->C_SignInit(session_, nullptr, pair_.private_key); },
         [this] { return p11_->C_SignUpdate(session_, data_.data(), data_.size()); }},
        {"verify", CKF_VERIFY,
         [this] { return p11_->C_VerifyInit(session_, &ecdsa_, pair_.public_key); },
         [this] { return p11_->C_VerifyInit(session_, nullptr, pair_.public_key); },
         [this] { return p11_->C_VerifyUpdate(session_, data_.data(), data_.size()); }},
        {"find", CKF_FIND_OBJECTS, [this] { return p11_->C_FindObjectsInit(session_, nullptr, 0); },
         nullptr,
         [this] {
           CK_ULONG count = 0;
           return p11_->C_FindObjects(session_, nullptr, 0, &count);
         }},
        {"message sign", CKF_MESSAGE_SIGN,
         [this] { return p11_->C_MessageSignInit(session_, &ecdsa_, pair_.private_key); },
         [this] { return p11_->C_MessageSignInit(session_, nullptr, pair_.private_key); },
         [this] {
           CK_ULONG length = signature_.size();
           return p11_->C_SignMessage(session_, nullptr, 0, data_.data(), data_.size(),
                                      signature_.data(), &length);
         }},
        {"message verify", CKF_MESSAGE_VERIFY,
         [this] { return p11_->C_MessageVerifyInit(session_, &ecdsa_, pair_.public_key); },
         [this] { return p11_->C_MessageVerifyInit(session_, nullptr, pair_.public_key); },
         [this] {
           const CK_RV rv = p11_->C_VerifyMessage(session_, nullptr, 0, data_.data(), data_.size(),
                                                  signature_.data(), 64);
           return rv == CKR_SIGNATURE_INVALID ? CKR_OK : rv;
         }},
    };
  }

  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  KeyPair pair_;
  CK_MECHANISM sha256_{CKM_SHA256, nullptr, 0};
  CK_MECHANISM ecdsa_{kP256.hashing_mechanism, nullptr, 0};
  CK_MECHANISM raw_ecdsa_{CKM_ECDSA, nullptr, 0};
  Bytes data_ = Bytes(32, 0x42);
  Bytes signature_ = Bytes(64);
};

TEST_F(OperationStateTest, EachIsActiveOnce) {
  for (const Kind& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, kind.go_on());
    EXPECT_RV(CKR_OK, kind.begin());
    EXPECT_RV(CKR_OPERATION_ACTIVE, kind.begin());
    EXPECT_RV(CKR_OK, kind.go_on()) << "a second begin ended the first";
    EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, kind.flag));
  }
}

TEST_F(OperationStateTest, SessionCancelEndsWhatItsFlagsSayAndNothingElse) {
  const auto all = kinds();
  for (const Kind& kind : all) {
    SCOPED_TRACE(kind.name);
    for (const Kind& other : all) EXPECT_RV(CKR_OK, other.begin()) << other.name;
    EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, 0));
    EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, kind.flag));
    for (const Kind& other : all) {
      EXPECT_RV(&other == &kind ? CKR_OPERATION_NOT_INITIALIZED : CKR_OK, other.go_on())
          << other.name;
    }
    // Flags of operations that are not active, or can't be, are ignored (5.6.8).
    EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, kind.flag));
    EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, CKF_ENCRYPT | CKF_DECRYPT | CKF_GENERATE));
    EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, ~CK_FLAGS{0}));
    for (const Kind& other : all) {
      EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, other.go_on()) << other.name;
    }
  }
}

// "C_SignInit can be called with pMechanism set to NULL_PTR to terminate an active operation."
TEST_F(OperationStateTest, AnInitWithoutAMechanismEndsIt) {
  for (const Kind& kind : kinds()) {
    if (!kind.stop) continue;
    SCOPED_TRACE(kind.name);
    EXPECT_RV(CKR_OK, kind.begin());
    EXPECT_RV(CKR_OK, kind.stop());
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, kind.go_on());
    EXPECT_RV(CKR_ARGUMENTS_BAD, kind.stop()) << "there was nothing to end";
    EXPECT_RV(CKR_OK, kind.begin());
    EXPECT_RV(CKR_OK, kind.go_on());
    EXPECT_RV(CKR_OK, kind.stop());
  }
}

TEST_F(OperationStateTest, AllKindsGoOnBesideOneAnother) {
  const auto all = kinds();
  for (const Kind& kind : all) EXPECT_RV(CKR_OK, kind.begin()) << kind.name;
  for (const Kind& kind : all) EXPECT_RV(CKR_OK, kind.go_on()) << kind.name;
}

TEST_F(OperationStateTest, BelongToOneSession) {
  for (const Kind& kind : kinds()) EXPECT_RV(CKR_OK, kind.begin()) << kind.name;
  const CK_SESSION_HANDLE mine = session_;
  session_ = open_session();
  for (const Kind& kind : kinds()) {
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, kind.go_on()) << kind.name;
  }
  EXPECT_RV(CKR_OK, p11_->C_CloseSession(session_));
  session_ = mine;
  for (const Kind& kind : kinds()) EXPECT_RV(CKR_OK, kind.go_on()) << kind.name;
}

// A failed Init begins nothing, and leaves what was active alone.
TEST_F(OperationStateTest, DoNotBeginWhenTheirInitFails) {
  CK_MECHANISM unknown{CKM_VENDOR_DEFINED | 1, nullptr, 0};
  EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_SignInit(session_, &unknown, pair_.private_key));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, p11_->C_SignInit(session_, &ecdsa_, pair_.public_key));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, p11_->C_VerifyInit(session_, &ecdsa_, pair_.private_key));
  EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_DigestInit(session_, &ecdsa_));
  for (const Kind& kind : kinds()) {
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, kind.go_on()) << kind.name;
  }
}

// "A call to C_Sign always terminates the active operation unless it returns CKR_BUFFER_TOO_SMALL
// or is a successful call to determine the length" (5.13.2); C_SignUpdate: "a call which results in
// an error terminates" (5.13.3). The same for digests and verification.
TEST_F(OperationStateTest, EndWithAnError) {
  CK_ULONG length = signature_.size();
  Bytes digest(32);
  CK_ULONG digest_length = digest.size();
  const struct {
    const char* what;
    std::function<CK_RV()> begin;
    std::function<CK_RV()> fail;
    std::function<CK_RV()> after;
  } rows[] = {
      {"C_Sign with a raw mechanism and too long data",
       [&] { return p11_->C_SignInit(session_, &raw_ecdsa_, pair_.private_key); },
       [&] { return p11_->C_Sign(session_, Bytes(65).data(), 65, signature_.data(), &length); },
       [&] {
         return p11_->C_Sign(session_, data_.data(), data_.size(), signature_.data(), &length);
       }},
      {"C_Sign with NULL data",
       [&] { return p11_->C_SignInit(session_, &ecdsa_, pair_.private_key); },
       [&] { return p11_->C_Sign(session_, nullptr, 5, signature_.data(), &length); },
       [&] {
         return p11_->C_Sign(session_, data_.data(), data_.size(), signature_.data(), &length);
       }},
      {"C_Sign without a length",
       [&] { return p11_->C_SignInit(session_, &ecdsa_, pair_.private_key); },
       [&] {
         return p11_->C_Sign(session_, data_.data(), data_.size(), signature_.data(), nullptr);
       },
       [&] {
         return p11_->C_Sign(session_, data_.data(), data_.size(), signature_.data(), &length);
       }},
      {"C_SignUpdate with NULL data",
       [&] { return p11_->C_SignInit(session_, &ecdsa_, pair_.private_key); },
       [&] { return p11_->C_SignUpdate(session_, nullptr, 5); },
       [&] { return p11_->C_SignFinal(session_, signature_.data(), &length); }},
      {"C_SignUpdate with a mechanism for one part",
       [&] { return p11_->C_SignInit(session_, &raw_ecdsa_, pair_.private_key); },
       [&] { return p11_->C_SignUpdate(session_, data_.data(), data_.size()); },
       [&] {
         return p11_->C_Sign(session_, data_.data(), data_.size(), signature_.data(), &length);
       }},
      {"C_SignFinal without a length",
       [&] { return p11_->C_SignInit(session_, &ecdsa_, pair_.private_key); },
       [&] { return p11_->C_SignFinal(session_, signature_.data(), nullptr); },
       [&] { return p11_->C_SignFinal(session_, signature_.data(), &length); }},
      {"C_Verify with a wrong signature",
       [&] { return p11_->C_VerifyInit(session_, &ecdsa_, pair_.public_key); },
       [&] { return p11_->C_Verify(session_, data_.data(), data_.size(), signature_.data(), 64); },
       [&] { return p11_->C_Verify(session_, data_.data(), data_.size(), signature_.data(), 64); }},
      {"C_Verify with a signature of another length",
       [&] { return p11_->C_VerifyInit(session_, &ecdsa_, pair_.public_key); },
       [&] { return p11_->C_Verify(session_, data_.data(), data_.size(), signature_.data(), 63); },
       [&] { return p11_->C_Verify(session_, data_.data(), data_.size(), signature_.data(), 64); }},
      {"C_VerifyUpdate with NULL data",
       [&] { return p11_->C_VerifyInit(session_, &ecdsa_, pair_.public_key); },
       [&] { return p11_->C_VerifyUpdate(session_, nullptr, 5); },
       [&] { return p11_->C_VerifyFinal(session_, signature_.data(), 64); }},
      {"C_Digest with NULL data", [&] { return p11_->C_DigestInit(session_, &sha256_); },
       [&] { return p11_->C_Digest(session_, nullptr, 5, digest.data(), &digest_length); },
       [&] { return p11_->C_Digest(session_, data_.data(), 5, digest.data(), &digest_length); }},
      {"C_DigestUpdate with NULL data", [&] { return p11_->C_DigestInit(session_, &sha256_); },
       [&] { return p11_->C_DigestUpdate(session_, nullptr, 5); },
       [&] { return p11_->C_DigestFinal(session_, digest.data(), &digest_length); }},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    EXPECT_RV(CKR_OK, row.begin());
    EXPECT_NE(row.fail(), CKR_OK);
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, row.after());
    EXPECT_RV(CKR_OK, row.begin());
    EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, CKF_SIGN | CKF_VERIFY | CKF_DIGEST));
  }
}

// "C_Sign cannot be used to terminate a multi-part operation" (5.13.2), and its like.
TEST_F(OperationStateTest, OnePartCallsDoNotEndWhatPartsBegan) {
  CK_ULONG length = signature_.size();
  EXPECT_RV(CKR_OK, p11_->C_SignInit(session_, &ecdsa_, pair_.private_key));
  EXPECT_RV(CKR_OK, p11_->C_SignUpdate(session_, data_.data(), 5));
  EXPECT_RV_OF(p11_->C_Sign(session_, data_.data(), 5, signature_.data(), &length),
               CKR_OPERATION_NOT_INITIALIZED, CKR_OPERATION_ACTIVE, CKR_FUNCTION_FAILED);
  EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, CKF_SIGN));

  EXPECT_RV(CKR_OK, p11_->C_VerifyInit(session_, &ecdsa_, pair_.public_key));
  EXPECT_RV(CKR_OK, p11_->C_VerifyUpdate(session_, data_.data(), 5));
  EXPECT_RV_OF(p11_->C_Verify(session_, data_.data(), 5, signature_.data(), 64),
               CKR_OPERATION_NOT_INITIALIZED, CKR_OPERATION_ACTIVE, CKR_FUNCTION_FAILED);
  EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, CKF_VERIFY));

  EXPECT_RV(CKR_OK, p11_->C_DigestInit(session_, &sha256_));
  EXPECT_RV(CKR_OK, p11_->C_DigestUpdate(session_, data_.data(), 5));
  EXPECT_RV_OF(p11_->C_Digest(session_, data_.data(), 5, signature_.data(), &length),
               CKR_OPERATION_NOT_INITIALIZED, CKR_OPERATION_ACTIVE, CKR_FUNCTION_FAILED);
}

// One-part and message-based signing are different operations: neither stands in for the other.
TEST_F(OperationStateTest, MessagesAndOnePartsAreApart) {
  CK_ULONG length = signature_.size();
  EXPECT_RV(CKR_OK, p11_->C_SignInit(session_, &ecdsa_, pair_.private_key));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11_->C_SignMessage(session_, nullptr, 0, data_.data(), 5, signature_.data(), &length));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11_->C_SignMessageBegin(session_, nullptr, 0));
  EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, CKF_SIGN));

  EXPECT_RV(CKR_OK, p11_->C_MessageSignInit(session_, &ecdsa_, pair_.private_key));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11_->C_Sign(session_, data_.data(), 5, signature_.data(), &length));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11_->C_SignUpdate(session_, data_.data(), 5));
  EXPECT_RV(CKR_OK, p11_->C_MessageSignFinal(session_));
}

}  // namespace
}  // namespace mayfly::test
