// C_CreateObject: public keys and certificates can be brought, secrets never. The other functions
// that make keys are not offered at all.
#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

// RFC 6979, A.2.5: the private key x of P-256 and its public point.
const char* const kKnownSecret = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
const char* const kKnownPoint =
    "04410460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e9"
    "5"
    "628bc64f2f1b20c2d7e9f5177a3c294d4462299";

class ObjectCreationTest : public ConformanceTest {
 protected:
  using ConformanceTest::ConformanceTest;

  void SetUp() override {
    ConformanceTest::SetUp();
    session_ = open_session();
  }

  CK_RV create(Template wanted) {
    made_ = CK_INVALID_HANDLE;
    return p11_->C_CreateObject(session_, wanted.data(), wanted.size(), &made_);
  }

  [[nodiscard]] static Template ec_public_key() {
    return {{CKA_CLASS, CKO_PUBLIC_KEY},
            {CKA_KEY_TYPE, CKK_EC},
            {CKA_EC_PARAMS, kP256.curve()},
            {CKA_EC_POINT, from_hex(kKnownPoint)}};
  }
  [[nodiscard]] static Template rsa_public_key() {
    Bytes modulus(256, 0xc3);
    return {{CKA_CLASS, CKO_PUBLIC_KEY},
            {CKA_KEY_TYPE, CKK_RSA},
            {CKA_MODULUS, modulus},
            {CKA_PUBLIC_EXPONENT, Bytes{1, 0, 1}}};
  }
  [[nodiscard]] static Template certificate() {
    return {{CKA_CLASS, CKO_CERTIFICATE},
            {CKA_CERTIFICATE_TYPE, CKC_X_509},
            {CKA_SUBJECT, Bytes{0x30, 0}},
            {CKA_VALUE, Bytes{0x30, 0}}};
  }
  [[nodiscard]] static Template private_ec_key() {
    return {{CKA_CLASS, CKO_PRIVATE_KEY},
            {CKA_KEY_TYPE, CKK_EC},
            {CKA_EC_PARAMS, kP256.curve()},
            {CKA_VALUE, from_hex(kKnownSecret)}};
  }

  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE made_ = CK_INVALID_HANDLE;
};

TEST_F(ObjectCreationTest, TakesPublicKeys) {
  ASSERT_RV(CKR_OK, create(ec_public_key()));
  EXPECT_EQ(get(session_, made_, CKA_LOCAL), flag_bytes(false));
  EXPECT_EQ(get(session_, made_, CKA_KEY_GEN_MECHANISM), number_bytes(CK_UNAVAILABLE_INFORMATION));
  EXPECT_EQ(get(session_, made_, CKA_TOKEN), flag_bytes(false));
  EXPECT_EQ(get(session_, made_, CKA_PRIVATE), flag_bytes(false));
  EXPECT_EQ(get(session_, made_, CKA_PUBLIC_KEY_INFO)->size(), 91U);

  ASSERT_RV(CKR_OK, create(rsa_public_key().add({CKA_TOKEN, true})));
  EXPECT_EQ(get(session_, made_, CKA_MODULUS_BITS), number_bytes(2048));

  const KeyPair pair = generate(session_, kEd25519);
  Template edwards({{CKA_CLASS, CKO_PUBLIC_KEY},
                    {CKA_KEY_TYPE, CKK_EC_EDWARDS},
                    {CKA_EC_PARAMS, kEd25519.curve()},
                    {CKA_EC_POINT, get(session_, pair.public_key, CKA_EC_POINT).value()}});
  ASSERT_RV(CKR_OK, create(edwards));
  // A copy that the client brought verifies what the key signs.
  Bytes signature;
  Bytes data = {1, 2, 3};
  CK_MECHANISM mechanism{CKM_EDDSA, nullptr, 0};
  ASSERT_RV(CKR_OK, sign(session_, pair.private_key, CKM_EDDSA, data, signature));
  ASSERT_RV(CKR_OK, p11_->C_VerifyInit(session_, &mechanism, made_));
  EXPECT_RV(CKR_OK,
            p11_->C_Verify(session_, data.data(), data.size(), signature.data(), signature.size()));
}

TEST_F(ObjectCreationTest, TakesCertificates) {
  Template wanted = certificate();
  wanted.append({{CKA_TOKEN, true},
                 {CKA_LABEL, "mine"},
                 {CKA_ID, Bytes{1, 2}},
                 {CKA_ISSUER, Bytes{0x30, 0}},
                 {CKA_SERIAL_NUMBER, Bytes{2, 1, 5}},
                 {CKA_CERTIFICATE_CATEGORY, 1UL},
                 {CKA_TRUSTED, false},
                 {CKA_URL, Bytes()}});
  ASSERT_RV(CKR_OK, create(wanted));
  for (CK_ULONG i = 0; i < wanted.size(); ++i) {
    const CK_ATTRIBUTE& given = wanted.data()[i];
    const auto* value = static_cast<const std::uint8_t*>(given.pValue);
    EXPECT_EQ(get(session_, made_, given.type), Bytes(value, value + given.ulValueLen))
        << given.type;
  }
  EXPECT_EQ(get(session_, made_, CKA_MAYFLY_TASK_ID), to_bytes(as_bytes(kTask)));
}

// No private or secret key gets in, whatever the template looks like.
TEST_F(ObjectCreationTest, RefusesEverySecret) {
  const Template rsa_private({{CKA_CLASS, CKO_PRIVATE_KEY},
                              {CKA_KEY_TYPE, CKK_RSA},
                              {CKA_MODULUS, Bytes(256, 0xc3)},
                              {CKA_PUBLIC_EXPONENT, Bytes{1, 0, 1}},
                              {CKA_PRIVATE_EXPONENT, Bytes(256, 0x11)},
                              {CKA_PRIME_1, Bytes(128, 0x11)},
                              {CKA_PRIME_2, Bytes(128, 0x11)}});
  const struct {
    const char* what;
    Template wanted;
  } rows[] = {
      {"a private EC key", private_ec_key()},
      {"a private RSA key", rsa_private},
      {"a private key that pretends to be good", private_ec_key().append({{CKA_SENSITIVE, true},
                                                                          {CKA_EXTRACTABLE, false},
                                                                          {CKA_TOKEN, false},
                                                                          {CKA_PRIVATE, true},
                                                                          {CKA_SIGN, true}})},
      {"a private key without a value", private_ec_key().without(CKA_VALUE)},
      {"a private key and no more", Template({{CKA_CLASS, CKO_PRIVATE_KEY}})},
      {"an AES key",
       Template({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, Bytes(32, 1)}})},
      {"a generic secret", Template({{CKA_CLASS, CKO_SECRET_KEY},
                                     {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                                     {CKA_VALUE, Bytes(20, 1)}})},
      {"an OTP key (CKO_OTP_KEY)", Template({{CKA_CLASS, 8UL}, {CKA_VALUE, Bytes(20, 1)}})},
      {"a public key with a private half",
       ec_public_key().add({CKA_VALUE, from_hex(kKnownSecret)})},
      {"an RSA public key with a private half",
       rsa_public_key().add({CKA_PRIVATE_EXPONENT, Bytes(256, 1)})},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    EXPECT_RV_OF(create(row.wanted), CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT);
    EXPECT_EQ(made_, CK_INVALID_HANDLE);
  }
  EXPECT_TRUE(find(session_, {{CKA_CLASS, CKO_PRIVATE_KEY}}).empty());
  EXPECT_TRUE(find(session_, {{CKA_CLASS, CKO_SECRET_KEY}}).empty());
}

TEST_F(ObjectCreationTest, RefusesTemplatesThatAreNoObject) {
  const Bytes off_curve = [] {
    Bytes point = from_hex(kKnownPoint);
    point.back() ^= 1;
    return point;
  }();
  const Bytes compressed =
      from_hex("04210360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6");
  const struct {
    const char* what;
    Template wanted;
    CK_RV answer;
  } rows[] = {
      {"nothing", Template(), CKR_TEMPLATE_INCOMPLETE},
      {"no class", Template({{CKA_LABEL, "x"}}), CKR_TEMPLATE_INCOMPLETE},
      {"a class of 4 bytes", Template({{CKA_CLASS, Bytes(4)}}), CKR_ATTRIBUTE_VALUE_INVALID},
      {"data", Template({{CKA_CLASS, CKO_DATA}, {CKA_VALUE, "x"}}), CKR_ATTRIBUTE_VALUE_INVALID},
      {"domain parameters", Template({{CKA_CLASS, CKO_DOMAIN_PARAMETERS}}),
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"a hardware feature", Template({{CKA_CLASS, CKO_HW_FEATURE}}), CKR_ATTRIBUTE_VALUE_INVALID},
      {"a mechanism", Template({{CKA_CLASS, CKO_MECHANISM}}), CKR_ATTRIBUTE_VALUE_INVALID},
      {"a public key without a type", ec_public_key().without(CKA_KEY_TYPE),
       CKR_TEMPLATE_INCOMPLETE},
      {"a public key without a curve", ec_public_key().without(CKA_EC_PARAMS),
       CKR_TEMPLATE_INCOMPLETE},
      {"a public key without a point", ec_public_key().without(CKA_EC_POINT),
       CKR_TEMPLATE_INCOMPLETE},
      {"a DSA key", ec_public_key().without(CKA_KEY_TYPE).add({CKA_KEY_TYPE, CKK_DSA}),
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"a curve of another type",
       ec_public_key().without(CKA_EC_PARAMS).add({CKA_EC_PARAMS, kEd25519.curve()}),
       CKR_CURVE_NOT_SUPPORTED},
      {"a curve that is not known",
       ec_public_key().without(CKA_EC_PARAMS).add({CKA_EC_PARAMS, from_hex("06052b8104000a")}),
       CKR_CURVE_NOT_SUPPORTED},
      {"a point of another curve",
       ec_public_key().without(CKA_EC_PARAMS).add({CKA_EC_PARAMS, kP384.curve()}),
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"a point beside the curve",
       ec_public_key().without(CKA_EC_POINT).add({CKA_EC_POINT, off_curve}),
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"a compressed point", ec_public_key().without(CKA_EC_POINT).add({CKA_EC_POINT, compressed}),
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"no point", ec_public_key().without(CKA_EC_POINT).add({CKA_EC_POINT, Bytes()}),
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"an RSA key without a modulus", rsa_public_key().without(CKA_MODULUS),
       CKR_TEMPLATE_INCOMPLETE},
      {"an RSA key without an exponent", rsa_public_key().without(CKA_PUBLIC_EXPONENT),
       CKR_TEMPLATE_INCOMPLETE},
      {"an RSA key of 1024 bits",
       rsa_public_key().without(CKA_MODULUS).add({CKA_MODULUS, Bytes(128, 0xc3)}),
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"an RSA key of 60,000 bytes",
       rsa_public_key().without(CKA_MODULUS).add({CKA_MODULUS, Bytes(60'000, 0xc3)}),
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"an RSA key with an empty modulus",
       rsa_public_key().without(CKA_MODULUS).add({CKA_MODULUS, Bytes()}),
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"a local public key", ec_public_key().add({CKA_LOCAL, true}), CKR_ATTRIBUTE_READ_ONLY},
      {"an RSA key with a number of bits", rsa_public_key().add({CKA_MODULUS_BITS, 2048UL}),
       CKR_ATTRIBUTE_READ_ONLY},
      {"a certificate without a type", certificate().without(CKA_CERTIFICATE_TYPE),
       CKR_TEMPLATE_INCOMPLETE},
      {"a certificate without a subject", certificate().without(CKA_SUBJECT),
       CKR_TEMPLATE_INCOMPLETE},
      {"a certificate without a value", certificate().without(CKA_VALUE), CKR_TEMPLATE_INCOMPLETE},
      {"an attribute certificate",
       certificate().without(CKA_CERTIFICATE_TYPE).add({CKA_CERTIFICATE_TYPE, CKC_X_509_ATTR_CERT}),
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"a task ID", certificate().add({CKA_MAYFLY_TASK_ID, "another"}), CKR_ATTRIBUTE_READ_ONLY},
      {"an unknown attribute", certificate().add({0x7ffffff0, true}), CKR_ATTRIBUTE_TYPE_INVALID},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    EXPECT_RV(row.answer, create(row.wanted));
    EXPECT_EQ(made_, CK_INVALID_HANDLE);
  }
  EXPECT_EQ(find(session_, {}).size(), 1U) << "only the task's own object";
}

TEST_F(ObjectCreationTest, RefusesTrust) {
  EXPECT_RV_OF(create(certificate().add({CKA_TRUSTED, true})), CKR_ATTRIBUTE_READ_ONLY,
               CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_RV_OF(create(ec_public_key().add({CKA_TRUSTED, true})), CKR_ATTRIBUTE_READ_ONLY,
               CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST_F(ObjectCreationTest, MakesSessionObjectsOnlyInAReadOnlySession) {
  session_ = open_session(0);
  EXPECT_RV(CKR_SESSION_READ_ONLY, create(certificate().add({CKA_TOKEN, true})));
  EXPECT_RV(CKR_OK, create(certificate()));
  EXPECT_RV(CKR_OK, create(ec_public_key().add({CKA_TOKEN, false})));
}

// The object of a task's own: it tells the whole ID, and nobody can change or take it away.
TEST_F(ObjectCreationTest, IsNotNeededForTheTasksOwnObject) {
  const auto found = find(session_, {{CKA_CLASS, CKO_DATA}});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(get(session_, found[0], CKA_VALUE), to_bytes(as_bytes(kTask)));
  EXPECT_EQ(get(session_, found[0], CKA_TOKEN), flag_bytes(true));
  EXPECT_RV(CKR_ACTION_PROHIBITED, p11_->C_DestroyObject(session_, found[0]));
  EXPECT_RV(CKR_ACTION_PROHIBITED, p11_->C_CopyObject(session_, found[0], nullptr, 0, &made_));
  Template label({{CKA_LABEL, "other"}});
  EXPECT_RV(CKR_ACTION_PROHIBITED,
            p11_->C_SetAttributeValue(session_, found[0], label.data(), label.size()));
}

class ObjectLimitTest : public ObjectCreationTest {
 protected:
  ObjectLimitTest() : ObjectCreationTest(Settings{.max_objects = 10}) {}
};

// A key pair that does not fit is not made halfway.
TEST_F(ObjectLimitTest, IsKept) {
  KeyPair pair;
  CK_RV rv = CKR_OK;
  std::size_t pairs = 0;
  for (; rv == CKR_OK && pairs < 100; ++pairs) {
    rv = try_generate(session_, kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}}, pair);
  }
  EXPECT_RV(CKR_DEVICE_MEMORY, rv);
  EXPECT_LE(pairs, 6U);
  const std::size_t halves = find(session_, {}).size() - 1;
  EXPECT_EQ(halves % 2, 0U) << "half of a key pair is left";
  EXPECT_EQ(device_keys(), halves);
}

}  // namespace
}  // namespace mayfly::test
