// The very calls that widespread clients make, as they were seen on the wire.
#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

class ClientTemplateTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    session_ = open_session();
  }

  KeyPair generate_with(CK_MECHANISM_TYPE type, Template public_wanted, Template private_wanted) {
    CK_MECHANISM mechanism{type, nullptr, 0};
    KeyPair pair;
    EXPECT_RV(CKR_OK,
              p11_->C_GenerateKeyPair(session_, &mechanism, public_wanted.data(),
                                      public_wanted.size(), private_wanted.data(),
                                      private_wanted.size(), &pair.public_key, &pair.private_key));
    return pair;
  }

  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
};

TEST_F(ClientTemplateTest, Pkcs11ToolMakesAnEcKey) {
  const KeyPair pair = generate_with(CKM_EC_KEY_PAIR_GEN,
                                     {{CKA_CLASS, CKO_PUBLIC_KEY},
                                      {CKA_TOKEN, true},
                                      {CKA_VERIFY, true},
                                      {CKA_EC_PARAMS, kP256.curve()},
                                      {CKA_KEY_TYPE, CKK_EC},
                                      {CKA_LABEL, "agent"},
                                      {CKA_ID, Bytes{1}},
                                      {CKA_DERIVE, true}},
                                     {{CKA_CLASS, CKO_PRIVATE_KEY},
                                      {CKA_TOKEN, true},
                                      {CKA_PRIVATE, true},
                                      {CKA_SENSITIVE, true},
                                      {CKA_SIGN, true},
                                      {CKA_DERIVE, true},
                                      {CKA_KEY_TYPE, CKK_EC},
                                      {CKA_LABEL, "agent"},
                                      {CKA_ID, Bytes{1}}});
  EXPECT_EQ(get(session_, pair.private_key, CKA_DERIVE), flag_bytes(false));
  // The next process of the tool finds it by what the user said.
  EXPECT_EQ(find(open_session(0), {{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_ID, Bytes{1}}}),
            std::vector{pair.private_key});
}

TEST_F(ClientTemplateTest, Pkcs11ToolMakesAnRsaKey) {
  const KeyPair pair = generate_with(CKM_RSA_PKCS_KEY_PAIR_GEN,
                                     {{CKA_CLASS, CKO_PUBLIC_KEY},
                                      {CKA_TOKEN, true},
                                      {CKA_VERIFY, true},
                                      {CKA_ENCRYPT, true},
                                      {CKA_MODULUS_BITS, 2048UL},
                                      {CKA_PUBLIC_EXPONENT, Bytes{1, 0, 1}},
                                      {CKA_LABEL, "agent"}},
                                     {{CKA_CLASS, CKO_PRIVATE_KEY},
                                      {CKA_TOKEN, true},
                                      {CKA_PRIVATE, true},
                                      {CKA_SENSITIVE, true},
                                      {CKA_SIGN, true},
                                      {CKA_DECRYPT, true},
                                      {CKA_LABEL, "agent"}});
  EXPECT_EQ(get(session_, pair.private_key, CKA_DECRYPT), flag_bytes(false));
  EXPECT_EQ(get(session_, pair.public_key, CKA_ENCRYPT), flag_bytes(false));
}

// SunPKCS11 sends an empty private template, asks what it got, and keytool copies the key to the
// token under a name, beside a certificate.
TEST_F(ClientTemplateTest, JavaMakesAKeyAndStoresItWithACertificate) {
  const KeyPair pair = generate_with(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256.curve()}}, {});
  EXPECT_EQ(get(session_, pair.private_key, CKA_TOKEN), flag_bytes(false));
  EXPECT_EQ(get(session_, pair.private_key, CKA_SENSITIVE), flag_bytes(true));
  EXPECT_EQ(get(session_, pair.private_key, CKA_EXTRACTABLE), flag_bytes(false));

  Template copy_template({{CKA_TOKEN, true}, {CKA_ID, "alias"}});
  CK_OBJECT_HANDLE stored = CK_INVALID_HANDLE;
  ASSERT_RV(CKR_OK, p11_->C_CopyObject(session_, pair.private_key, copy_template.data(),
                                       copy_template.size(), &stored));
  Template certificate({{CKA_CLASS, CKO_CERTIFICATE},
                        {CKA_CERTIFICATE_TYPE, CKC_X_509},
                        {CKA_TOKEN, true},
                        {CKA_SUBJECT, Bytes{0x30, 0}},
                        {CKA_VALUE, Bytes{0x30, 0}},
                        {CKA_ISSUER, Bytes{0x30, 0}},
                        {CKA_SERIAL_NUMBER, Bytes{2, 1, 1}},
                        {CKA_LABEL, "alias"},
                        {CKA_ID, "alias"}});
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  ASSERT_RV(CKR_OK, p11_->C_CreateObject(session_, certificate.data(), certificate.size(), &made));

  ASSERT_RV(CKR_OK, p11_->C_CloseSession(session_));
  session_ = open_session(0);
  EXPECT_EQ(find(session_, {{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_ID, "alias"}, {CKA_TOKEN, true}}),
            std::vector{stored});
  EXPECT_EQ(find(session_, {{CKA_CLASS, CKO_CERTIFICATE}, {CKA_ID, "alias"}, {CKA_TOKEN, true}}),
            std::vector{made});
  EXPECT_RV(CKR_OK, sign_answer(session_, stored, kP256));
}

// certutil makes the key in one session, signs in another, gives both halves an ID afterwards, and
// creates a certificate and a trust object. A refusal of the latter does it no harm.
TEST_F(ClientTemplateTest, NssMakesAKeyAndNamesItAfterwards) {
  const KeyPair pair = generate_with(CKM_RSA_PKCS_KEY_PAIR_GEN,
                                     {{CKA_TOKEN, true},
                                      {CKA_PRIVATE, false},
                                      {CKA_MODULUS_BITS, 2048UL},
                                      {CKA_PUBLIC_EXPONENT, Bytes{1, 0, 1}},
                                      {CKA_VERIFY, true},
                                      {CKA_VERIFY_RECOVER, true},
                                      {CKA_ENCRYPT, true},
                                      {CKA_WRAP, true},
                                      {CKA_DERIVE, false},
                                      {CKA_MODIFIABLE, true}},
                                     {{CKA_SENSITIVE, true},
                                      {CKA_TOKEN, true},
                                      {CKA_PRIVATE, true},
                                      {CKA_MODIFIABLE, true},
                                      {CKA_SIGN, true},
                                      {CKA_SIGN_RECOVER, true},
                                      {CKA_DECRYPT, true},
                                      {CKA_UNWRAP, true},
                                      {CKA_DERIVE, false}});
  const CK_SESSION_HANDLE other = open_session();
  EXPECT_RV(CKR_OK, sign_answer(other, pair.private_key, kRsa2048));
  Template id({{CKA_ID, Bytes(20, 0x5a)}});
  EXPECT_RV(CKR_OK, p11_->C_SetAttributeValue(other, pair.public_key, id.data(), id.size()));
  EXPECT_RV(CKR_OK, p11_->C_SetAttributeValue(other, pair.private_key, id.data(), id.size()));
  EXPECT_EQ(find(session_, {{CKA_ID, Bytes(20, 0x5a)}}).size(), 2U);

  constexpr CK_OBJECT_CLASS kNssTrust = 0x80000000UL | 0x4E534350UL | 3UL;
  Template trust({{CKA_CLASS, kNssTrust}, {CKA_TOKEN, true}});
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            p11_->C_CreateObject(other, trust.data(), trust.size(), &made));
  EXPECT_TRUE(find(other, {{CKA_CLASS, kNssTrust}}).empty());
  EXPECT_RV(CKR_OK, sign_answer(other, pair.private_key, kRsa2048));
}

// p11tool opens a session for each step and asks for the size of a signature first.
TEST_F(ClientTemplateTest, GnuTlsSignsWithASizeQuery) {
  const KeyPair pair = generate_with(CKM_EC_KEY_PAIR_GEN,
                                     {{CKA_TOKEN, true},
                                      {CKA_PRIVATE, false},
                                      {CKA_ID, Bytes{7}},
                                      {CKA_LABEL, "agent"},
                                      {CKA_VERIFY, true},
                                      {CKA_EC_PARAMS, kP256.curve()}},
                                     {{CKA_TOKEN, true},
                                      {CKA_PRIVATE, true},
                                      {CKA_ID, Bytes{7}},
                                      {CKA_LABEL, "agent"},
                                      {CKA_SENSITIVE, true},
                                      {CKA_SIGN, true}});
  ASSERT_RV(CKR_OK, p11_->C_CloseSession(session_));
  session_ = open_session(0);
  ASSERT_EQ(find(session_, {{CKA_ID, Bytes{7}}, {CKA_CLASS, CKO_PRIVATE_KEY}}),
            std::vector{pair.private_key});
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  Bytes digest(32, 3);
  CK_ULONG length = 0;
  ASSERT_RV(CKR_OK, p11_->C_SignInit(session_, &mechanism, pair.private_key));
  ASSERT_RV(CKR_OK, p11_->C_Sign(session_, digest.data(), digest.size(), nullptr, &length));
  Bytes signature(length);
  ASSERT_RV(CKR_OK,
            p11_->C_Sign(session_, digest.data(), digest.size(), signature.data(), &length));
  ASSERT_RV(CKR_OK, p11_->C_VerifyInit(session_, &mechanism, pair.public_key));
  EXPECT_RV(CKR_OK, p11_->C_Verify(session_, digest.data(), digest.size(), signature.data(),
                                   signature.size()));
}

// OpenSSH lists public keys and then asks for the private key by class, ID and CKA_SIGN.
TEST_F(ClientTemplateTest, OpenSshFindsTheKeyThatSigns) {
  const KeyPair pair = generate(session_, kP256, {{CKA_TOKEN, true}, {CKA_ID, Bytes{9}}},
                                {{CKA_TOKEN, true}, {CKA_ID, Bytes{9}}});
  EXPECT_EQ(find(session_, {{CKA_CLASS, CKO_PUBLIC_KEY}}), std::vector{pair.public_key});
  EXPECT_EQ(find(session_, {{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_ID, Bytes{9}}, {CKA_SIGN, true}}),
            std::vector{pair.private_key});
  EXPECT_TRUE(find(session_, {{CKA_CLASS, CKO_CERTIFICATE}}).empty());
}

// pkcs11-provider copies a key before it signs and destroys the copy.
TEST_F(ClientTemplateTest, Pkcs11ProviderCachesKeysAsCopies) {
  const KeyPair pair = generate(session_, kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  for (int i = 0; i < 3; ++i) {
    Template session_object({{CKA_TOKEN, false}});
    CK_OBJECT_HANDLE cached = CK_INVALID_HANDLE;
    ASSERT_RV(CKR_OK,
              p11_->C_CopyObject(session_, pair.private_key, session_object.data(), 1, &cached));
    EXPECT_RV(CKR_OK, sign_answer(session_, cached, kP256));
    EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session_, cached));
  }
  EXPECT_EQ(device_keys(), 2U) << "a copy made a key of its own on the device";
  EXPECT_RV(CKR_OK, sign_answer(session_, pair.private_key, kP256));
}

}  // namespace
}  // namespace mayfly::test
