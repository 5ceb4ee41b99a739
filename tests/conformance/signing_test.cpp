// Signatures: every mechanism with every kind of key, in one part, in parts and message by message.
#include <gtest/gtest.h>

#include "conformance/signing_fixture.h"

namespace mayfly::test {
namespace {

/// Longer than a block of any hash, so that hashing it takes more than one step.
const Bytes& message() {
  static const Bytes text = [] {
    Bytes bytes(300);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
    return bytes;
  }();
  return text;
}

Bytes flipped(Bytes bytes, std::size_t at) {
  bytes[at] ^= 1;
  return bytes;
}

TEST_F(SigningTest, WorksInOnePart) {
  for_each_pair([&](const SigningMechanism& mechanism, const TestKey& key) {
    const Bytes input = mechanism.input_for(message());
    Bytes signature;
    ASSERT_RV(CKR_OK, sign_with(mechanism.choice(), key.pair.private_key, input, signature));
    expect_good(mechanism, key, input, signature);
    EXPECT_RV(CKR_SIGNATURE_INVALID, verify_with(mechanism.choice(), key.pair.public_key,
                                                 flipped(input, input.size() - 1), signature));
    for (const std::size_t at : {std::size_t{0}, signature.size() / 2, signature.size() - 1}) {
      EXPECT_RV(CKR_SIGNATURE_INVALID, verify_with(mechanism.choice(), key.pair.public_key, input,
                                                   flipped(signature, at)));
    }
  });
}

TEST_F(SigningTest, WorksWithoutData) {
  for_each_pair([&](const SigningMechanism& mechanism, const TestKey& key) {
    if (mechanism.is_raw() && mechanism.form.scheme != SignatureForm::Scheme::eddsa) return;
    CK_MECHANISM choice = mechanism.choice();
    Bytes signature(key.kind->signature_size);
    CK_ULONG size = signature.size();
    ASSERT_RV(CKR_OK, p11_->C_SignInit(session_, &choice, key.pair.private_key));
    ASSERT_RV(CKR_OK, p11_->C_Sign(session_, nullptr, 0, signature.data(), &size));
    expect_good(mechanism, key, {}, signature);

    ASSERT_RV(CKR_OK, p11_->C_SignInit(session_, &choice, key.pair.private_key));
    ASSERT_RV(CKR_OK, p11_->C_SignFinal(session_, signature.data(), &size))
        << "a message of no parts";
    expect_good(mechanism, key, {}, signature);
  });
}

TEST_F(SigningTest, WorksInParts) {
  for_each_pair([&](const SigningMechanism& mechanism, const TestKey& key) {
    if (!mechanism.multi_part) return;
    CK_MECHANISM choice = mechanism.choice();
    Bytes data = message();
    const std::size_t parts[] = {1, 0, 63, 64, data.size() - 128};
    const auto feed = [&](auto update) {
      std::size_t at = 0;
      for (const std::size_t part : parts) {
        EXPECT_RV(CKR_OK, update(data.data() + at, part));
        at += part;
      }
      ASSERT_EQ(at, data.size());
    };
    Bytes signature(key.kind->signature_size);
    CK_ULONG size = signature.size();
    ASSERT_RV(CKR_OK, p11_->C_SignInit(session_, &choice, key.pair.private_key));
    feed([&](CK_BYTE* at, CK_ULONG part) { return p11_->C_SignUpdate(session_, at, part); });
    ASSERT_RV(CKR_OK, p11_->C_SignFinal(session_, signature.data(), &size));
    expect_good(mechanism, key, data, signature);

    ASSERT_RV(CKR_OK, p11_->C_VerifyInit(session_, &choice, key.pair.public_key));
    feed([&](CK_BYTE* at, CK_ULONG part) { return p11_->C_VerifyUpdate(session_, at, part); });
    EXPECT_RV(CKR_OK, p11_->C_VerifyFinal(session_, signature.data(), size));
    ASSERT_RV(CKR_OK, p11_->C_VerifyInit(session_, &choice, key.pair.public_key));
    feed([&](CK_BYTE* at, CK_ULONG part) { return p11_->C_VerifyUpdate(session_, at, part); });
    EXPECT_RV(CKR_OK, p11_->C_VerifyUpdate(session_, data.data(), 1));
    EXPECT_RV(CKR_SIGNATURE_INVALID, p11_->C_VerifyFinal(session_, signature.data(), size));
  });
}

TEST_F(SigningTest, WorksMessageByMessage) {
  for_each_pair([&](const SigningMechanism& mechanism, const TestKey& key) {
    CK_MECHANISM choice = mechanism.choice();
    ASSERT_RV(CKR_OK, p11_->C_MessageSignInit(session_, &choice, key.pair.private_key));
    ASSERT_RV(CKR_OK, p11_->C_MessageVerifyInit(session_, &choice, key.pair.public_key));
    for (int i = 0; i < 3; ++i) {
      Bytes text = message();
      text[0] = static_cast<std::uint8_t>(i);
      Bytes input = mechanism.input_for(text);
      Bytes signature(1024);
      CK_ULONG size = signature.size();
      ASSERT_RV(CKR_OK, p11_->C_SignMessage(session_, nullptr, 0, input.data(), input.size(),
                                            signature.data(), &size));
      signature.resize(size);
      expect_good(mechanism, key, input, signature);
      EXPECT_RV(CKR_OK, p11_->C_VerifyMessage(session_, nullptr, 0, input.data(), input.size(),
                                              signature.data(), signature.size()));
      input[0] ^= 1;
      EXPECT_RV(CKR_SIGNATURE_INVALID,
                p11_->C_VerifyMessage(session_, nullptr, 0, input.data(), input.size(),
                                      signature.data(), signature.size()));
    }
    EXPECT_RV(CKR_OK, p11_->C_MessageSignFinal(session_));
    EXPECT_RV(CKR_OK, p11_->C_MessageVerifyFinal(session_));
  });
}

TEST_F(SigningTest, WorksWithMessagesInParts) {
  for_each_pair([&](const SigningMechanism& mechanism, const TestKey& key) {
    if (!mechanism.multi_part) return;
    CK_MECHANISM choice = mechanism.choice();
    ASSERT_RV(CKR_OK, p11_->C_MessageSignInit(session_, &choice, key.pair.private_key));
    ASSERT_RV(CKR_OK, p11_->C_MessageVerifyInit(session_, &choice, key.pair.public_key));
    for (int i = 0; i < 2; ++i) {
      Bytes data = message();
      Bytes signature(key.kind->signature_size);
      CK_ULONG size = signature.size();
      ASSERT_RV(CKR_OK, p11_->C_SignMessageBegin(session_, nullptr, 0));
      EXPECT_RV(CKR_OPERATION_ACTIVE, p11_->C_SignMessageBegin(session_, nullptr, 0));
      EXPECT_RV(CKR_OPERATION_ACTIVE, p11_->C_SignMessage(session_, nullptr, 0, data.data(),
                                                          data.size(), signature.data(), &size))
          << "in the middle of a message (5.14.2)";
      size = signature.size();
      ASSERT_RV(CKR_OK,
                p11_->C_SignMessageNext(session_, nullptr, 0, data.data(), 70, nullptr, nullptr));
      ASSERT_RV(CKR_OK, p11_->C_SignMessageNext(session_, nullptr, 0, data.data() + 70,
                                                data.size() - 70, signature.data(), &size));
      expect_good(mechanism, key, data, signature);

      ASSERT_RV(CKR_OK, p11_->C_VerifyMessageBegin(session_, nullptr, 0));
      ASSERT_RV(CKR_OK,
                p11_->C_VerifyMessageNext(session_, nullptr, 0, data.data(), 70, nullptr, 0));
      EXPECT_RV(CKR_OK, p11_->C_VerifyMessageNext(session_, nullptr, 0, data.data() + 70,
                                                  data.size() - 70, signature.data(), size));
      ASSERT_RV(CKR_OK, p11_->C_VerifyMessageBegin(session_, nullptr, 0));
      EXPECT_RV(CKR_SIGNATURE_INVALID, p11_->C_VerifyMessageNext(session_, nullptr, 0, data.data(),
                                                                 5, signature.data(), size));
    }
    EXPECT_RV(CKR_OK, p11_->C_MessageSignFinal(session_));
    EXPECT_RV(CKR_OK, p11_->C_MessageVerifyFinal(session_));
  });
}

// "A call to C_SignMessageNext with a NULL pulSignatureLen which results in an error terminates the
// current message signature operation" (5.14.4), and only that: not the process.
// C_VerifyMessageNext likewise (5.16.4).
TEST_F(SigningTest, EndsAMessageWithAnError) {
  const TestKey& key = key_of(kP256);
  CK_MECHANISM choice = signing_mechanism(CKM_ECDSA_SHA256).choice();
  Bytes data = message();
  Bytes signature(64);
  CK_ULONG size = signature.size();
  ASSERT_RV(CKR_OK, p11_->C_MessageSignInit(session_, &choice, key.pair.private_key));
  ASSERT_RV(CKR_OK, p11_->C_SignMessageBegin(session_, nullptr, 0));
  ASSERT_RV(CKR_ARGUMENTS_BAD,
            p11_->C_SignMessageNext(session_, nullptr, 0, nullptr, 9, nullptr, nullptr));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11_->C_SignMessageNext(session_, nullptr, 0, data.data(), 9, nullptr, nullptr))
      << "the message is active after an error";
  EXPECT_RV(CKR_OK, p11_->C_SignMessage(session_, nullptr, 0, data.data(), data.size(),
                                        signature.data(), &size))
      << "the process ended with the message";

  ASSERT_RV(CKR_OK, p11_->C_MessageVerifyInit(session_, &choice, key.pair.public_key));
  ASSERT_RV(CKR_OK, p11_->C_VerifyMessageBegin(session_, nullptr, 0));
  ASSERT_RV(CKR_ARGUMENTS_BAD,
            p11_->C_VerifyMessageNext(session_, nullptr, 0, nullptr, 9, nullptr, 0));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11_->C_VerifyMessageNext(session_, nullptr, 0, data.data(), 9, nullptr, 0))
      << "the message is active after an error";
  EXPECT_RV(CKR_OK, p11_->C_VerifyMessage(session_, nullptr, 0, data.data(), data.size(),
                                          signature.data(), size));
}

// Mechanisms for one part have no parts, in messages as elsewhere.
TEST_F(SigningTest, RefusesPartsWhereThereAreNone) {
  for_each_pair([&](const SigningMechanism& mechanism, const TestKey& key) {
    if (mechanism.multi_part) return;
    CK_MECHANISM choice = mechanism.choice();
    Bytes data = mechanism.input_for(message());
    Bytes signature(1024);
    CK_ULONG size = signature.size();
    ASSERT_RV(CKR_OK, p11_->C_SignInit(session_, &choice, key.pair.private_key));
    EXPECT_NE(p11_->C_SignUpdate(session_, data.data(), data.size()), CKR_OK);
    EXPECT_NE(p11_->C_SignFinal(session_, signature.data(), &size), CKR_OK);
    ASSERT_RV(CKR_OK, p11_->C_VerifyInit(session_, &choice, key.pair.public_key));
    EXPECT_NE(p11_->C_VerifyUpdate(session_, data.data(), data.size()), CKR_OK);
    EXPECT_NE(p11_->C_VerifyFinal(session_, signature.data(), key.kind->signature_size), CKR_OK);
    ASSERT_RV(CKR_OK, p11_->C_MessageSignInit(session_, &choice, key.pair.private_key));
    if (p11_->C_SignMessageBegin(session_, nullptr, 0) == CKR_OK) {
      EXPECT_NE(p11_->C_SignMessageNext(session_, nullptr, 0, data.data(), data.size(),
                                        signature.data(), &size),
                CKR_OK);
    }
    EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, CKF_MESSAGE_SIGN));
  });
}

// What a raw mechanism can be given, and what not.
TEST_F(SigningTest, ChecksTheLengthOfRawInput) {
  const struct {
    CK_MECHANISM_TYPE type;
    const KeyKind& kind;
    std::size_t size;
    bool good;
  } rows[] = {
      {CKM_ECDSA, kP256, 0, false},
      {CKM_ECDSA, kP256, 1, true},
      {CKM_ECDSA, kP256, 20, true},
      {CKM_ECDSA, kP256, 28, true},
      {CKM_ECDSA, kP256, 32, true},
      {CKM_ECDSA, kP256, 48, true},
      {CKM_ECDSA, kP256, 64, true},
      {CKM_ECDSA, kP256, 65, false},
      {CKM_ECDSA, kP256, 100'000, false},
      {CKM_ECDSA, kP384, 32, true},
      {CKM_ECDSA, kP384, 64, true},
      {CKM_ECDSA, kP521, 64, true},
      {CKM_ECDSA, kP521, 67, false},

      {CKM_RSA_PKCS, kRsa2048, 1, true},
      {CKM_RSA_PKCS, kRsa2048, 51, true},
      {CKM_RSA_PKCS, kRsa2048, 245, true},
      {CKM_RSA_PKCS, kRsa2048, 246, false},
      {CKM_RSA_PKCS, kRsa2048, 256, false},
      {CKM_RSA_PKCS, kRsa2048, 100'000, false},
      {CKM_RSA_PKCS_PSS, kRsa2048, 32, true},
      {CKM_RSA_PKCS_PSS, kRsa2048, 31, false},
      {CKM_RSA_PKCS_PSS, kRsa2048, 33, false},
      {CKM_RSA_PKCS_PSS, kRsa2048, 0, false},
  };
  for (const auto& row : rows) {
    const SigningMechanism& mechanism = signing_mechanism(row.type);
    const TestKey& key = key_of(row.kind);
    SCOPED_TRACE(std::string(mechanism.name) + " with " + key.kind->name + " and " +
                 std::to_string(row.size) + " bytes");
    const Bytes input(row.size, 0x5a);
    Bytes signature;
    const CK_RV rv = sign_with(mechanism.choice(), key.pair.private_key, input, signature);
    EXPECT_RV(row.good ? CKR_OK : CKR_DATA_LEN_RANGE, rv);
    if (row.good && rv == CKR_OK) expect_good(mechanism, key, input, signature);
    if (row.good) continue;
    EXPECT_RV(CKR_DATA_LEN_RANGE, verify_with(mechanism.choice(), key.pair.public_key, input,
                                              Bytes(key.kind->signature_size)));
  }
}

TEST_F(SigningTest, ChecksTheLengthOfSignatures) {
  for_each_pair([&](const SigningMechanism& mechanism, const TestKey& key) {
    const Bytes input = mechanism.input_for(message());
    Bytes signature;
    ASSERT_RV(CKR_OK, sign_with(mechanism.choice(), key.pair.private_key, input, signature));
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, signature.size() - 1,
                                   signature.size() + 1, 2 * signature.size()}) {
      SCOPED_TRACE(size);
      Bytes wrong = signature;
      wrong.resize(size);
      EXPECT_RV(CKR_SIGNATURE_LEN_RANGE,
                verify_with(mechanism.choice(), key.pair.public_key, input, wrong));
    }
    EXPECT_RV(CKR_SIGNATURE_INVALID, verify_with(mechanism.choice(), key.pair.public_key, input,
                                                 Bytes(signature.size(), 0)));
    EXPECT_RV(CKR_SIGNATURE_INVALID, verify_with(mechanism.choice(), key.pair.public_key, input,
                                                 Bytes(signature.size(), 0xff)));
  });
}

// The raw PKCS#1 mechanism may take no data at all or refuse to, but not sign what it then does not
// verify.
TEST_F(SigningTest, AgreesWithItselfOnNoRawInput) {
  const SigningMechanism& mechanism = signing_mechanism(CKM_RSA_PKCS);
  const TestKey& key = key_of(kRsa2048);
  Bytes signature;
  const CK_RV rv = sign_with(mechanism.choice(), key.pair.private_key, {}, signature);
  if (rv == CKR_OK) {
    EXPECT_RV(CKR_OK, verify_with(mechanism.choice(), key.pair.public_key, {}, signature));
  } else {
    EXPECT_RV(CKR_DATA_LEN_RANGE, rv);
  }
}

// A long message is hashed on the way, not collected; for Ed25519, which needs it whole, there is a
// limit that is told.
TEST_F(SigningTest, TakesLongMessages) {
  constexpr std::size_t kPart = 1 << 20;
  Bytes part(kPart, 0x77);
  for (const KeyKind* kind : all_kinds()) {
    SCOPED_TRACE(kind->name);
    const TestKey& key = key_of(*kind);
    const SigningMechanism& mechanism = signing_mechanism(kind->hashing_mechanism);
    CK_MECHANISM choice = mechanism.choice();
    Bytes signature(kind->signature_size);
    CK_ULONG size = signature.size();
    ASSERT_RV(CKR_OK, p11_->C_SignInit(session_, &choice, key.pair.private_key));
    for (int i = 0; i < 16; ++i) {
      ASSERT_RV(CKR_OK, p11_->C_SignUpdate(session_, part.data(), part.size()));
    }
    const CK_RV more = p11_->C_SignUpdate(session_, part.data(), part.size());
    if (kind == &kEd25519) {
      EXPECT_RV(CKR_DATA_LEN_RANGE, more);
      continue;
    }
    EXPECT_RV(CKR_OK, more);
    ASSERT_RV(CKR_OK, p11_->C_SignFinal(session_, signature.data(), &size));
    EXPECT_TRUE(is_signature(key.check.get(), mechanism.form, Bytes(17 * kPart, 0x77), signature));
  }
}

}  // namespace
}  // namespace mayfly::test
