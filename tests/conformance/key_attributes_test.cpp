// What a key says of itself once it is made, and what it never says.
#include <set>

#include <gtest/gtest.h>

#include "conformance/fixture.h"
#include "conformance/independent_check.h"

namespace mayfly::test {
namespace {

constexpr CK_ATTRIBUTE_TYPE kSecrets[] = {CKA_VALUE,      CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
                                          CKA_PRIME_2,    CKA_EXPONENT_1,       CKA_EXPONENT_2,
                                          CKA_COEFFICIENT};

class KeyAttributeTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    session_ = open_session();
  }

  void expect_attributes(CK_OBJECT_HANDLE object, const Template& expected) {
    Template rows = expected;
    for (CK_ULONG i = 0; i < rows.size(); ++i) {
      const CK_ATTRIBUTE& row = rows.data()[i];
      const auto* value = static_cast<const std::uint8_t*>(row.pValue);
      EXPECT_EQ(get(session_, object, row.type), Bytes(value, value + row.ulValueLen))
          << "attribute 0x" << std::hex << row.type;
    }
  }

  EvpKey rebuild(const KeyKind& kind, CK_OBJECT_HANDLE public_key) {
    const auto value = [&](CK_ATTRIBUTE_TYPE type) {
      return get(session_, public_key, type).value_or(Bytes{});
    };
    if (kind.is_rsa()) return rsa_public_key(value(CKA_MODULUS), value(CKA_PUBLIC_EXPONENT));
    return ec_public_key(kind.type, value(CKA_EC_PARAMS), value(CKA_EC_POINT));
  }

  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
};

TEST_F(KeyAttributeTest, AreAllThereWhenTheTemplatesSayNothing) {
  for (const KeyKind* kind : all_kinds()) {
    SCOPED_TRACE(kind->name);
    const KeyPair pair = generate(session_, *kind);
    const Template both({{CKA_KEY_TYPE, kind->type},
                         {CKA_TOKEN, false},
                         {CKA_LABEL, Bytes()},
                         {CKA_ID, Bytes()},
                         {CKA_SUBJECT, Bytes()},
                         {CKA_START_DATE, Bytes()},
                         {CKA_END_DATE, Bytes()},
                         {CKA_MODIFIABLE, true},
                         {CKA_COPYABLE, true},
                         {CKA_DESTROYABLE, true},
                         {CKA_LOCAL, true},
                         {CKA_DERIVE, false},
                         {CKA_KEY_GEN_MECHANISM, kind->generator},
                         {CKA_MAYFLY_TASK_ID, kTask}});
    expect_attributes(pair.private_key, both);
    expect_attributes(pair.public_key, both);
    expect_attributes(pair.private_key, {{CKA_CLASS, CKO_PRIVATE_KEY},
                                         {CKA_PRIVATE, true},
                                         {CKA_SENSITIVE, true},
                                         {CKA_ALWAYS_SENSITIVE, true},
                                         {CKA_EXTRACTABLE, false},
                                         {CKA_NEVER_EXTRACTABLE, true},
                                         {CKA_SIGN, true},
                                         {CKA_SIGN_RECOVER, false},
                                         {CKA_DECRYPT, false},
                                         {CKA_UNWRAP, false},
                                         {CKA_WRAP_WITH_TRUSTED, false},
                                         {CKA_ALWAYS_AUTHENTICATE, false}});
    expect_attributes(pair.public_key, {{CKA_CLASS, CKO_PUBLIC_KEY},
                                        {CKA_PRIVATE, false},
                                        {CKA_VERIFY, true},
                                        {CKA_VERIFY_RECOVER, false},
                                        {CKA_ENCRYPT, false},
                                        {CKA_WRAP, false},
                                        {CKA_TRUSTED, false}});
  }
}

// The public half, its encodings, and what the private half repeats of it.
TEST_F(KeyAttributeTest, SayWhichKeyItIs) {
  for (const KeyKind* kind : all_kinds()) {
    SCOPED_TRACE(kind->name);
    const KeyPair pair = generate(session_, *kind);
    const EvpKey key = rebuild(*kind, pair.public_key);
    ASSERT_NE(key, nullptr) << "OpenSSL does not understand the public attributes";
    const Bytes info = public_key_info(key.get());
    expect_attributes(pair.public_key, {{CKA_PUBLIC_KEY_INFO, info}});
    expect_attributes(pair.private_key, {{CKA_PUBLIC_KEY_INFO, info}});
    if (kind->is_rsa()) {
      const auto modulus = get(session_, pair.public_key, CKA_MODULUS);
      ASSERT_TRUE(modulus);
      EXPECT_EQ(modulus->size(), kind->modulus_bits / 8);
      EXPECT_GE(modulus->front(), 0x80) << "a leading zero, or a key that is too short";
      expect_attributes(pair.private_key,
                        {{CKA_MODULUS, *modulus}, {CKA_PUBLIC_EXPONENT, Bytes{1, 0, 1}}});
      expect_attributes(pair.public_key, {{CKA_MODULUS_BITS, kind->modulus_bits},
                                          {CKA_PUBLIC_EXPONENT, Bytes{1, 0, 1}}});
      EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID,
                get_answer(session_, pair.private_key, CKA_MODULUS_BITS));
    } else {
      expect_attributes(pair.public_key, {{CKA_EC_PARAMS, kind->curve()}});
      expect_attributes(pair.private_key, {{CKA_EC_PARAMS, kind->curve()}});
    }
  }
}

// Two keys never are the same, nor two names of one.
TEST_F(KeyAttributeTest, AreUniqueWhereTheySaySo) {
  std::set<Bytes> identifiers;
  std::set<Bytes> points;
  std::vector<CK_OBJECT_HANDLE> objects;
  for (int i = 0; i < 20; ++i) {
    const KeyPair pair = generate(session_, kP256, {{CKA_TOKEN, i % 2 == 0}});
    points.insert(get(session_, pair.public_key, CKA_EC_POINT).value());
    objects.insert(objects.end(), {pair.public_key, pair.private_key});
    CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
    ASSERT_RV(CKR_OK, p11_->C_CopyObject(session_, pair.private_key, nullptr, 0, &copy));
    objects.push_back(copy);
  }
  EXPECT_EQ(points.size(), 20U);
  for (const CK_OBJECT_HANDLE object : find(session_, {})) {
    identifiers.insert(get(session_, object, CKA_UNIQUE_ID).value());
  }
  EXPECT_EQ(identifiers.size(), 61U) << "20 pairs, 20 copies and the task's own object";
  EXPECT_EQ(std::set<CK_OBJECT_HANDLE>(objects.begin(), objects.end()).size(), 60U);
}

TEST_F(KeyAttributeTest, NeverTellTheSecret) {
  for (const KeyKind* kind : all_kinds()) {
    SCOPED_TRACE(kind->name);
    const KeyPair pair = generate(session_, *kind, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
    CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
    ASSERT_RV(CKR_OK, p11_->C_CopyObject(session_, pair.private_key, nullptr, 0, &copy));
    const CK_SESSION_HANDLE read_only = open_session(0);
    for (const CK_OBJECT_HANDLE key : {pair.private_key, copy}) {
      for (const CK_ATTRIBUTE_TYPE secret : kSecrets) {
        SCOPED_TRACE(secret);
        Bytes room(4096, 0xa5);
        const Bytes untouched = room;
        CK_ATTRIBUTE wanted{secret, room.data(), room.size()};
        // A key has some of these, of the others it may also say that it has none.
        const bool own = kind->is_rsa() == (secret != CKA_VALUE);
        const CK_RV rv = p11_->C_GetAttributeValue(read_only, key, &wanted, 1);
        if (own) {
          EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, rv);
        } else {
          EXPECT_RV_OF(rv, CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID);
        }
        EXPECT_EQ(wanted.ulValueLen, CK_UNAVAILABLE_INFORMATION);
        EXPECT_EQ(room, untouched);
        wanted = {secret, nullptr, 0};
        EXPECT_NE(p11_->C_GetAttributeValue(session_, key, &wanted, 1), CKR_OK)
            << "even its length is nobody's business";
      }
    }
    // Nor may it be searched for: that would tell it bit by bit.
    for (const CK_ATTRIBUTE_TYPE secret : kSecrets) {
      EXPECT_TRUE(find(session_, {{CKA_CLASS, CKO_PRIVATE_KEY}, {secret, Bytes()}}).empty());
    }
  }
}

// A key that may not sign, or not by a mechanism, or not verify, does not.
TEST_F(KeyAttributeTest, DecideWhatTheKeyMayDo) {
  Bytes signature;
  const KeyPair mute = generate(session_, kP256, {{CKA_VERIFY, false}}, {{CKA_SIGN, false}});
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_answer(session_, mute.private_key, kP256));
  CK_MECHANISM ecdsa{CKM_ECDSA_SHA256, nullptr, 0};
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, p11_->C_VerifyInit(session_, &ecdsa, mute.public_key));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            p11_->C_MessageSignInit(session_, &ecdsa, mute.private_key));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            p11_->C_MessageVerifyInit(session_, &ecdsa, mute.public_key));

  Bytes two = number_bytes(CKM_ECDSA_SHA256);
  const Bytes second = number_bytes(CKM_ECDSA_SHA384);
  two.insert(two.end(), second.begin(), second.end());
  const KeyPair some =
      generate(session_, kP256, {{CKA_ALLOWED_MECHANISMS, two}}, {{CKA_ALLOWED_MECHANISMS, two}});
  const Bytes data(32, 1);
  EXPECT_RV(CKR_OK, sign(session_, some.private_key, CKM_ECDSA_SHA256, data, signature));
  EXPECT_RV(CKR_OK, sign(session_, some.private_key, CKM_ECDSA_SHA384, data, signature));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            sign(session_, some.private_key, CKM_ECDSA_SHA512, data, signature));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            sign(session_, some.private_key, CKM_ECDSA, data, signature));
  CK_MECHANISM sha512{CKM_ECDSA_SHA512, nullptr, 0};
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, p11_->C_VerifyInit(session_, &sha512, some.public_key));

  const KeyPair none = generate(session_, kP256, {}, {{CKA_ALLOWED_MECHANISMS, Bytes()}});
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            sign(session_, none.private_key, CKM_ECDSA_SHA256, data, signature));

  const KeyPair rsa = generate(session_, kRsa2048);
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            sign(session_, rsa.private_key, CKM_ECDSA_SHA256, data, signature));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            sign(session_, some.private_key, CKM_SHA256_RSA_PKCS, data, signature));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            sign(session_, some.private_key, CKM_EDDSA, data, signature));
  // The type comes before the permission (5.1.6).
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            sign(session_, mute.private_key, CKM_SHA256_RSA_PKCS, data, signature));
}

TEST_F(KeyAttributeTest, HaveASize) {
  const KeyPair pair = generate(session_, kP256);
  CK_ULONG size = 0;
  EXPECT_RV(CKR_OK, p11_->C_GetObjectSize(session_, pair.private_key, &size));
  EXPECT_GT(size, 100U);
  EXPECT_NE(size, CK_UNAVAILABLE_INFORMATION);
}

TEST_F(KeyAttributeTest, AreTheSameFromTheLargerKeys) {
  for (const KeyKind* kind : {&kRsa3072, &kRsa4096}) {
    SCOPED_TRACE(kind->name);
    const KeyPair pair = generate(session_, *kind);
    const EvpKey key = rebuild(*kind, pair.public_key);
    Bytes signature;
    const Bytes data = {1, 2, 3};
    ASSERT_RV(CKR_OK, sign(session_, pair.private_key, CKM_SHA512_RSA_PKCS, data, signature));
    EXPECT_EQ(signature.size(), kind->signature_size);
    EXPECT_TRUE(is_signature(key.get(), {SignatureForm::Scheme::rsa_pkcs1, "SHA512", nullptr, 0},
                             data, signature));
  }
}

}  // namespace
}  // namespace mayfly::test
