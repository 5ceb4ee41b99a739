// C_CopyObject and C_SetAttributeValue: names may change, authority may only shrink.
#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

class ObjectCopyTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    session_ = open_session();
    pair_ = generate(session_, kP256, {{CKA_LABEL, "original"}},
                     {{CKA_LABEL, "original"}, {CKA_ID, Bytes{1}}});
  }

  CK_RV copy(CK_OBJECT_HANDLE object, Template changes) {
    made_ = CK_INVALID_HANDLE;
    return p11_->C_CopyObject(session_, object, changes.data(), changes.size(), &made_);
  }
  CK_RV set(CK_OBJECT_HANDLE object, Template changes) {
    return p11_->C_SetAttributeValue(session_, object, changes.data(), changes.size());
  }

  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  KeyPair pair_;
  CK_OBJECT_HANDLE made_ = CK_INVALID_HANDLE;
};

/// What C_CopyObject and C_SetAttributeValue answer to one attribute of a private key.
struct Change {
  const char* what;
  Attribute change;
  std::vector<CK_RV> copying;
  std::vector<CK_RV> setting;
};

const std::vector<CK_RV> kGood = {CKR_OK};
const std::vector<CK_RV> kFixed = {CKR_ATTRIBUTE_READ_ONLY};
const std::vector<CK_RV> kMalformed = {CKR_ATTRIBUTE_VALUE_INVALID};
const std::vector<CK_RV> kSecret = {CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_READ_ONLY,
                                    CKR_ATTRIBUTE_SENSITIVE};
const std::vector<CK_RV> kUnknown = {CKR_ATTRIBUTE_TYPE_INVALID, CKR_TEMPLATE_INCONSISTENT};
// What the object has already may be "set" in a copy, so that a client can repeat a whole template.
const std::vector<CK_RV> kSame = {CKR_OK};
const std::vector<CK_RV> kSameSet = {CKR_OK, CKR_ATTRIBUTE_READ_ONLY};

const std::vector<Change>& private_key_rows() {
  static const std::vector<Change> rows = {
      {"LABEL", {CKA_LABEL, "other"}, kGood, kGood},
      {"an empty LABEL", {CKA_LABEL, Bytes()}, kGood, kGood},
      {"ID", {CKA_ID, Bytes{2, 2}}, kGood, kGood},
      {"SUBJECT", {CKA_SUBJECT, Bytes{0x30, 0}}, kGood, kGood},
      {"START_DATE", {CKA_START_DATE, "20260101"}, kGood, kGood},
      {"START_DATE of 3 bytes", {CKA_START_DATE, "202"}, kMalformed, kMalformed},
      {"TOKEN", {CKA_TOKEN, true}, kGood, kFixed},
      {"TOKEN of 7", {CKA_TOKEN, Bytes{7}}, kMalformed, kMalformed},
      {"not MODIFIABLE", {CKA_MODIFIABLE, false}, kGood, kFixed},
      {"not COPYABLE", {CKA_COPYABLE, false}, kGood, {CKR_OK, CKR_ATTRIBUTE_READ_ONLY}},
      {"not DESTROYABLE", {CKA_DESTROYABLE, false}, kGood, {CKR_OK, CKR_ATTRIBUTE_READ_ONLY}},
      {"not SIGN", {CKA_SIGN, false}, kGood, {CKR_OK, CKR_ATTRIBUTE_READ_ONLY}},
      {"WRAP_WITH_TRUSTED",
       {CKA_WRAP_WITH_TRUSTED, true},
       kGood,
       {CKR_OK, CKR_ATTRIBUTE_READ_ONLY}},
      {"the same PRIVATE", {CKA_PRIVATE, true}, kSame, kSameSet},
      {"the same SENSITIVE", {CKA_SENSITIVE, true}, kSame, kSameSet},
      {"the same EXTRACTABLE", {CKA_EXTRACTABLE, false}, kSame, kSameSet},
      {"the same CLASS", {CKA_CLASS, CKO_PRIVATE_KEY}, kSame, kSameSet},
      {"the same KEY_TYPE", {CKA_KEY_TYPE, CKK_EC}, kSame, kSameSet},
      {"not PRIVATE", {CKA_PRIVATE, false}, kFixed, kFixed},
      {"not SENSITIVE", {CKA_SENSITIVE, false}, kFixed, kFixed},
      {"EXTRACTABLE", {CKA_EXTRACTABLE, true}, kFixed, kFixed},
      {"not ALWAYS_SENSITIVE", {CKA_ALWAYS_SENSITIVE, false}, kFixed, kFixed},
      {"not NEVER_EXTRACTABLE", {CKA_NEVER_EXTRACTABLE, false}, kFixed, kFixed},
      {"not LOCAL", {CKA_LOCAL, false}, kFixed, kFixed},
      {"DECRYPT", {CKA_DECRYPT, true}, kFixed, kFixed},
      {"UNWRAP", {CKA_UNWRAP, true}, kFixed, kFixed},
      {"DERIVE", {CKA_DERIVE, true}, kFixed, kFixed},
      {"SIGN_RECOVER", {CKA_SIGN_RECOVER, true}, kFixed, kFixed},
      {"ALWAYS_AUTHENTICATE", {CKA_ALWAYS_AUTHENTICATE, true}, kFixed, kFixed},
      {"another CLASS", {CKA_CLASS, CKO_PUBLIC_KEY}, kFixed, kFixed},
      {"another KEY_TYPE", {CKA_KEY_TYPE, CKK_RSA}, kFixed, kFixed},
      {"another curve", {CKA_EC_PARAMS, from_hex("06052b81040022")}, kFixed, kFixed},
      {"ALLOWED_MECHANISMS", {CKA_ALLOWED_MECHANISMS, number_bytes(CKM_ECDSA)}, kFixed, kFixed},
      {"UNIQUE_ID", {CKA_UNIQUE_ID, "mine"}, kFixed, kFixed},
      {"TASK_ID", {CKA_MAYFLY_TASK_ID, "another"}, kFixed, kFixed},
      {"PUBLIC_KEY_INFO", {CKA_PUBLIC_KEY_INFO, Bytes{0x30, 0}}, kFixed, kFixed},
      {"KEY_GEN_MECHANISM", {CKA_KEY_GEN_MECHANISM, CKM_RSA_PKCS_KEY_PAIR_GEN}, kFixed, kFixed},
      {"VALUE", {CKA_VALUE, Bytes(32, 1)}, kSecret, kSecret},
      {"PRIVATE_EXPONENT", {CKA_PRIVATE_EXPONENT, Bytes(32, 1)}, kSecret, kSecret},
      {"an unknown one", {0x7ffffff0, true}, kUnknown, kUnknown},
      {"VERIFY", {CKA_VERIFY, true}, kUnknown, kUnknown},
  };
  return rows;
}

bool is_among(const std::vector<CK_RV>& answers, CK_RV rv) {
  if (is_unsent_value(rv)) rv = CKR_ATTRIBUTE_VALUE_INVALID;
  return std::find(answers.begin(), answers.end(), rv) != answers.end();
}

TEST_F(ObjectCopyTest, KeepsEachRow) {
  for (const Change& row : private_key_rows()) {
    SCOPED_TRACE(row.what);
    const CK_RV rv = copy(pair_.private_key, {row.change});
    EXPECT_TRUE(is_among(row.copying, rv)) << answer_name(rv);
    if (rv != CKR_OK) continue;
    EXPECT_EQ(get(session_, made_, row.change.type), row.change.value);
    EXPECT_NE(get(session_, made_, CKA_UNIQUE_ID), get(session_, pair_.private_key, CKA_UNIQUE_ID));
    EXPECT_EQ(get(session_, made_, CKA_ALWAYS_SENSITIVE), flag_bytes(true));
    EXPECT_EQ(get(session_, made_, CKA_NEVER_EXTRACTABLE), flag_bytes(true));
    EXPECT_EQ(get(session_, made_, CKA_LOCAL), flag_bytes(true));
    EXPECT_EQ(device_keys(), 2U) << "a copy made a key of its own";
  }
  EXPECT_EQ(get(session_, pair_.private_key, CKA_LABEL), to_bytes(as_bytes("original")));
  EXPECT_RV(CKR_OK, sign_answer(session_, pair_.private_key, kP256));
}

TEST_F(ObjectCopyTest, SettingKeepsEachRow) {
  for (const Change& row : private_key_rows()) {
    SCOPED_TRACE(row.what);
    const KeyPair pair = generate(session_, kP256);
    const auto before = get(session_, pair.private_key, row.change.type);
    const CK_RV rv = set(pair.private_key, {row.change});
    EXPECT_TRUE(is_among(row.setting, rv)) << answer_name(rv);
    EXPECT_EQ(get(session_, pair.private_key, row.change.type),
              rv == CKR_OK ? std::optional(row.change.value) : before);
  }
}

// A change is made as a whole or not at all.
TEST_F(ObjectCopyTest, ChangesAllOrNothing) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            set(pair_.private_key, {{CKA_LABEL, "changed"}, {CKA_EXTRACTABLE, true}}));
  EXPECT_EQ(get(session_, pair_.private_key, CKA_LABEL), to_bytes(as_bytes("original")));
  const std::size_t before = find(session_, {}).size();
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            copy(pair_.private_key, {{CKA_TOKEN, true}, {CKA_SENSITIVE, false}}));
  EXPECT_EQ(find(session_, {}).size(), before);
}

// What was taken away from a copy does not come back in a copy of the copy.
TEST_F(ObjectCopyTest, OfACopyCanNotWidenIt) {
  ASSERT_RV(CKR_OK, copy(pair_.private_key, {{CKA_SIGN, false}}));
  const CK_OBJECT_HANDLE mute = made_;
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_answer(session_, mute, kP256));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, copy(mute, {{CKA_SIGN, true}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, set(mute, {{CKA_SIGN, true}}));
  ASSERT_RV(CKR_OK, copy(mute, {}));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_answer(session_, made_, kP256));
  EXPECT_RV(CKR_OK, sign_answer(session_, pair_.private_key, kP256));

  ASSERT_RV(CKR_OK, copy(pair_.private_key, {{CKA_COPYABLE, false}}));
  const CK_OBJECT_HANDLE last = made_;
  EXPECT_RV(CKR_ACTION_PROHIBITED, copy(last, {}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, set(last, {{CKA_COPYABLE, true}}));
  ASSERT_RV(CKR_OK, copy(pair_.private_key, {{CKA_MODIFIABLE, false}}));
  EXPECT_RV(CKR_ACTION_PROHIBITED, set(made_, {{CKA_LABEL, "x"}}));
  EXPECT_RV(CKR_ACTION_PROHIBITED, set(made_, {{CKA_MODIFIABLE, true}}));
  ASSERT_RV(CKR_OK, copy(pair_.private_key, {{CKA_DESTROYABLE, false}}));
  EXPECT_RV(CKR_ACTION_PROHIBITED, p11_->C_DestroyObject(session_, made_));
}

// A key with ALLOWED_MECHANISMS does not lose them by being copied.
TEST_F(ObjectCopyTest, KeepsAllowedMechanisms) {
  const KeyPair narrow =
      generate(session_, kP256, {}, {{CKA_ALLOWED_MECHANISMS, number_bytes(CKM_ECDSA_SHA384)}});
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            copy(narrow.private_key, {{CKA_ALLOWED_MECHANISMS, number_bytes(CKM_ECDSA_SHA256)}}));
  ASSERT_RV(CKR_OK, copy(narrow.private_key, {}));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_answer(session_, made_, kP256));
}

TEST_F(ObjectCopyTest, OfPublicKeysAndCertificatesIsAnObjectOfItsOwn) {
  ASSERT_RV(CKR_OK, copy(pair_.public_key, {{CKA_LABEL, "copy"}}));
  const CK_OBJECT_HANDLE second = made_;
  EXPECT_EQ(get(session_, second, CKA_EC_POINT), get(session_, pair_.public_key, CKA_EC_POINT));
  EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session_, pair_.public_key));
  Bytes signature;
  Bytes data(32, 1);
  ASSERT_RV(CKR_OK, sign(session_, pair_.private_key, CKM_ECDSA, data, signature));
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  ASSERT_RV(CKR_OK, p11_->C_VerifyInit(session_, &mechanism, second));
  EXPECT_RV(CKR_OK,
            p11_->C_Verify(session_, data.data(), data.size(), signature.data(), signature.size()));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, copy(second, {{CKA_TRUSTED, true}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, copy(second, {{CKA_EC_POINT, Bytes(67, 4)}}));
}

TEST_F(ObjectCopyTest, MakesSessionObjectsOnlyInAReadOnlySession) {
  const KeyPair stored = generate(session_, kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  session_ = open_session(0);
  EXPECT_RV(CKR_SESSION_READ_ONLY, copy(pair_.private_key, {{CKA_TOKEN, true}}));
  EXPECT_RV(CKR_SESSION_READ_ONLY, copy(stored.private_key, {})) << "a copy is where the key is";
  EXPECT_RV(CKR_SESSION_READ_ONLY, set(stored.private_key, {{CKA_LABEL, "x"}}));
  EXPECT_RV(CKR_SESSION_READ_ONLY, p11_->C_DestroyObject(session_, stored.private_key));
  EXPECT_RV(CKR_OK, copy(stored.private_key, {{CKA_TOKEN, false}}));
  EXPECT_RV(CKR_OK, set(made_, {{CKA_LABEL, "x"}}));
  EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session_, made_));
  EXPECT_RV(CKR_OK, sign_answer(session_, stored.private_key, kP256)) << "the copy took the key";
}

}  // namespace
}  // namespace mayfly::test
