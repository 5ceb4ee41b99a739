// Which mechanisms there are, what is told of them, and what parameters they take.
#include <algorithm>

#include <gtest/gtest.h>

#include "conformance/signing_fixture.h"

namespace mayfly::test {
namespace {

class MechanismTest : public SigningTest {
 protected:
  [[nodiscard]] std::vector<CK_MECHANISM_TYPE> listed() {
    CK_ULONG count = 0;
    EXPECT_RV(CKR_OK, p11_->C_GetMechanismList(slot_, nullptr, &count));
    std::vector<CK_MECHANISM_TYPE> list(count);
    EXPECT_RV(CKR_OK, p11_->C_GetMechanismList(slot_, list.data(), &count));
    return list;
  }
  [[nodiscard]] bool is_listed(CK_MECHANISM_TYPE type) {
    const auto list = listed();
    return std::find(list.begin(), list.end(), type) != list.end();
  }
};

constexpr CK_MECHANISM_TYPE kGenerators[] = {CKM_EC_KEY_PAIR_GEN, CKM_EC_EDWARDS_KEY_PAIR_GEN,
                                             CKM_RSA_PKCS_KEY_PAIR_GEN};
constexpr CK_MECHANISM_TYPE kDigests[] = {CKM_SHA224, CKM_SHA256, CKM_SHA384, CKM_SHA512};

// Everything that mayfly knows works but for what the device lacks, so the list is known to the
// last entry.
TEST_F(MechanismTest, AreListedOnceAndInFull) {
  std::vector<CK_MECHANISM_TYPE> expected;
  for (const SigningMechanism& row : signing_mechanisms()) expected.push_back(row.type);
  expected.insert(expected.end(), std::begin(kGenerators), std::end(kGenerators));
  expected.insert(expected.end(), std::begin(kDigests), std::end(kDigests));
  std::erase_if(expected, [](CK_MECHANISM_TYPE type) { return out_of_reach(type); });
  std::vector<CK_MECHANISM_TYPE> list = listed();
  std::sort(expected.begin(), expected.end());
  std::sort(list.begin(), list.end());
  EXPECT_EQ(list, expected);
}

// Nothing is listed that does not work: that it works, other tests show for each of the list above.
// Here: the flags say what can be done, and the sizes which keys there are.
TEST_F(MechanismTest, TellWhatTheyDo) {
  struct Row {
    CK_MECHANISM_TYPE type;
    CK_FLAGS uses;
    CK_ULONG smallest;
    CK_ULONG largest;
  };
  std::vector<Row> rows = {
      {CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, 256, 521},
      {CKM_EC_EDWARDS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, 255, 255},
      {CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, 2048, 4096},
  };
  for (const CK_MECHANISM_TYPE type : kDigests) rows.push_back({type, CKF_DIGEST, 0, 0});
  for (const SigningMechanism& row : signing_mechanisms()) {
    const bool rsa = row.key_type == CKK_RSA;
    const bool edwards = row.key_type == CKK_EC_EDWARDS;
    rows.push_back({row.type, CKF_SIGN | CKF_VERIFY,
                    rsa       ? 2048UL
                    : edwards ? 255UL
                              : 256UL,
                    rsa       ? 4096UL
                    : edwards ? 255UL
                              : 521UL});
  }
  constexpr CK_FLAGS kUses = CKF_ENCRYPT | CKF_DECRYPT | CKF_DIGEST | CKF_SIGN | CKF_SIGN_RECOVER |
                             CKF_VERIFY | CKF_VERIFY_RECOVER | CKF_GENERATE |
                             CKF_GENERATE_KEY_PAIR | CKF_WRAP | CKF_UNWRAP | CKF_DERIVE;
  for (const Row& row : rows) {
    if (out_of_reach(row.type)) continue;
    SCOPED_TRACE(row.type);
    CK_MECHANISM_INFO info;
    ASSERT_RV(CKR_OK, p11_->C_GetMechanismInfo(slot_, row.type, &info));
    EXPECT_EQ(info.flags & kUses, row.uses);
    EXPECT_EQ(info.ulMinKeySize, row.smallest);
    EXPECT_EQ(info.ulMaxKeySize, row.largest);
    EXPECT_EQ(info.flags & CKF_HW, 0U) << "SoftHSM2 is no hardware";
    EXPECT_EQ(info.flags & CKF_EXTENSION, 0U);
  }
  CK_MECHANISM_INFO info;
  ASSERT_RV(CKR_OK, p11_->C_GetMechanismInfo(slot_, CKM_ECDSA, &info));
  EXPECT_NE(info.flags & CKF_EC_F_P, 0U);
  EXPECT_NE(info.flags & CKF_EC_OID, 0U);
  EXPECT_NE(info.flags & CKF_EC_UNCOMPRESS, 0U);
}

// CKF_MESSAGE_SIGN: "true if the mechanism can be used with C_MessageSignInit" (3.5).
TEST_F(MechanismTest, TellThatMessagesCanBeSigned) {
  for (const SigningMechanism& row : signing_mechanisms()) {
    SCOPED_TRACE(row.name);
    CK_MECHANISM_INFO info;
    ASSERT_RV(CKR_OK, p11_->C_GetMechanismInfo(slot_, row.type, &info));
    EXPECT_NE(info.flags & CKF_MESSAGE_SIGN, 0U);
    EXPECT_NE(info.flags & CKF_MESSAGE_VERIFY, 0U);
    EXPECT_EQ(info.flags & (CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT), 0U);
  }
}

// What is not listed is refused everywhere, and has no info.
TEST_F(MechanismTest, AreRefusedWhereTheyAreNotOffered) {
  const CK_MECHANISM_TYPE absent[] = {CKM_ECDSA_SHA1,
                                      CKM_SHA1_RSA_PKCS,
                                      CKM_MD5_RSA_PKCS,
                                      CKM_SHA1_RSA_PKCS_PSS,
                                      CKM_RSA_X_509,
                                      CKM_RSA_PKCS_OAEP,
                                      CKM_RSA_9796,
                                      CKM_ECDH1_DERIVE,
                                      CKM_ECDH1_COFACTOR_DERIVE,
                                      CKM_DSA,
                                      CKM_SHA_1,
                                      CKM_MD5,
                                      CKM_AES_CBC,
                                      CKM_AES_GCM,
                                      CKM_SHA256_HMAC,
                                      CKM_XEDDSA,
                                      CKM_GENERIC_SECRET_KEY_GEN,
                                      CKM_VENDOR_DEFINED,
                                      CKM_VENDOR_DEFINED | 0x4d460001,
                                      ~0UL};
  for (const CK_MECHANISM_TYPE type : absent) {
    SCOPED_TRACE(type);
    EXPECT_FALSE(is_listed(type));
    CK_MECHANISM_INFO info;
    EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_GetMechanismInfo(slot_, type, &info));
    CK_MECHANISM choice{type, nullptr, 0};
    EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_DigestInit(session_, &choice));
    for (const TestKey& key : keys_) {
      SCOPED_TRACE(key.kind->name);
      EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_SignInit(session_, &choice, key.pair.private_key));
      EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_VerifyInit(session_, &choice, key.pair.public_key));
      EXPECT_RV(CKR_MECHANISM_INVALID,
                p11_->C_MessageSignInit(session_, &choice, key.pair.private_key));
    }
  }
}

// A mechanism that is offered is so for its own use only.
TEST_F(MechanismTest, AreRefusedForAnotherUse) {
  const TestKey& key = key_of(kP256);
  for (const CK_MECHANISM_TYPE type : {CKM_SHA256, CKM_EC_KEY_PAIR_GEN}) {
    CK_MECHANISM choice{type, nullptr, 0};
    EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_SignInit(session_, &choice, key.pair.private_key));
    EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_VerifyInit(session_, &choice, key.pair.public_key));
  }
  for (const CK_MECHANISM_TYPE type : {CKM_ECDSA_SHA256, CKM_EC_KEY_PAIR_GEN}) {
    CK_MECHANISM choice{type, nullptr, 0};
    EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_DigestInit(session_, &choice));
  }
}

TEST_F(MechanismTest, TakeNoParameterWhereTheyHaveNone) {
  CK_BYTE bytes[64] = {};
  for_each_pair([&](const SigningMechanism& mechanism, const TestKey& key) {
    if (mechanism.pss) return;
    for (const CK_ULONG size : {CK_ULONG{1}, CK_ULONG{16}, CK_ULONG{sizeof bytes}}) {
      CK_MECHANISM choice{mechanism.type, bytes, size};
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
                p11_->C_SignInit(session_, &choice, key.pair.private_key));
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
                p11_->C_VerifyInit(session_, &choice, key.pair.public_key));
    }
    CK_MECHANISM nowhere{mechanism.type, nullptr, 16};
    EXPECT_RV_OF(p11_->C_SignInit(session_, &nowhere, key.pair.private_key),
                 CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
    // A pointer to nothing is no parameter.
    CK_MECHANISM empty{mechanism.type, bytes, 0};
    EXPECT_RV(CKR_OK, p11_->C_SignInit(session_, &empty, key.pair.private_key));
    EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, CKF_SIGN));
  });
  for (const CK_MECHANISM_TYPE type : kDigests) {
    CK_MECHANISM choice{type, bytes, 4};
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11_->C_DigestInit(session_, &choice));
  }
}

// Plain Ed25519 may be asked for with parameters that say so; its variants are not offered.
TEST_F(MechanismTest, TakeEdDsaParametersThatChangeNothing) {
  const TestKey& key = key_of(kEd25519);
  CK_BYTE context[] = {1, 2, 3};
  const struct {
    const char* what;
    CK_EDDSA_PARAMS params;
    CK_RV answer;
  } rows[] = {
      {"plain", {CK_FALSE, 0, nullptr}, CKR_OK},
      {"prehashed", {CK_TRUE, 0, nullptr}, CKR_MECHANISM_PARAM_INVALID},
      {"with a context", {CK_FALSE, sizeof context, context}, CKR_MECHANISM_PARAM_INVALID},
      {"with a length of context and none", {CK_FALSE, 9, nullptr}, CKR_MECHANISM_PARAM_INVALID},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    CK_EDDSA_PARAMS params = row.params;
    CK_MECHANISM choice{CKM_EDDSA, &params, sizeof params};
    EXPECT_RV(row.answer, p11_->C_SignInit(session_, &choice, key.pair.private_key));
    EXPECT_RV(row.answer, p11_->C_VerifyInit(session_, &choice, key.pair.public_key));
    EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session_, CKF_SIGN | CKF_VERIFY));
    choice.ulParameterLen -= 1;
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              p11_->C_SignInit(session_, &choice, key.pair.private_key));
  }
}

// Which salts there are is the device's to say, when an operation begins and not at its end.
TEST_F(MechanismTest, BeginOnlyWithASaltThatTheDeviceMakes) {
  const TestKey& key = key_of(kRsa2048);
  const Bytes digest(32, 0x11);
  for (const CK_ULONG salt : {0UL, 20UL, 32UL, 222UL}) {
    SCOPED_TRACE(salt);
    CK_RSA_PKCS_PSS_PARAMS params{CKM_SHA256, CKG_MGF1_SHA256, salt};
    CK_MECHANISM choice{CKM_RSA_PKCS_PSS, &params, sizeof params};
    const CK_RV begun = p11_->C_SignInit(session_, &choice, key.pair.private_key);
    if (begun == CKR_MECHANISM_PARAM_INVALID) {
      EXPECT_NE(salt, 32U) << "a salt as long as the digest works everywhere";
      continue;
    }
    ASSERT_RV(CKR_OK, begun);
    Bytes signature(256);
    CK_ULONG size = signature.size();
    EXPECT_RV(CKR_OK, p11_->C_Sign(session_, const_cast<CK_BYTE*>(digest.data()), digest.size(),
                                   signature.data(), &size));
  }
}

TEST_F(MechanismTest, TakePssParametersThatFit) {
  const TestKey& key = key_of(kRsa2048);
  struct Row {
    const char* what;
    CK_MECHANISM_TYPE type;
    CK_RSA_PKCS_PSS_PARAMS params;
    bool good;
  };
  const Row rows[] = {
      {"no salt", CKM_SHA256_RSA_PKCS_PSS, {CKM_SHA256, CKG_MGF1_SHA256, 0}, true},
      {"one byte of salt", CKM_SHA256_RSA_PKCS_PSS, {CKM_SHA256, CKG_MGF1_SHA256, 1}, true},
      {"the most salt", CKM_SHA256_RSA_PKCS_PSS, {CKM_SHA256, CKG_MGF1_SHA256, 222}, true},
      {"a byte more", CKM_SHA256_RSA_PKCS_PSS, {CKM_SHA256, CKG_MGF1_SHA256, 223}, false},
      {"the most salt", CKM_SHA512_RSA_PKCS_PSS, {CKM_SHA512, CKG_MGF1_SHA512, 190}, true},
      {"a byte more", CKM_SHA512_RSA_PKCS_PSS, {CKM_SHA512, CKG_MGF1_SHA512, 191}, false},
      {"endless salt", CKM_SHA256_RSA_PKCS_PSS, {CKM_SHA256, CKG_MGF1_SHA256, ~0UL}, false},
      {"salt that wraps",
       CKM_SHA256_RSA_PKCS_PSS,
       {CKM_SHA256, CKG_MGF1_SHA256, 0x100000020UL},
       false},
      {"another hash", CKM_SHA256_RSA_PKCS_PSS, {CKM_SHA384, CKG_MGF1_SHA384, 48}, false},
      {"another mask", CKM_SHA256_RSA_PKCS_PSS, {CKM_SHA256, CKG_MGF1_SHA1, 32}, false},
      {"another mask", CKM_SHA256_RSA_PKCS_PSS, {CKM_SHA256, CKG_MGF1_SHA384, 32}, false},
      {"SHA-1", CKM_RSA_PKCS_PSS, {CKM_SHA_1, CKG_MGF1_SHA1, 20}, false},
      {"raw SHA-224", CKM_RSA_PKCS_PSS, {CKM_SHA224, CKG_MGF1_SHA224, 28}, true},
      {"raw SHA-384", CKM_RSA_PKCS_PSS, {CKM_SHA384, CKG_MGF1_SHA384, 48}, true},
      {"raw SHA-512", CKM_RSA_PKCS_PSS, {CKM_SHA512, CKG_MGF1_SHA512, 64}, true},
      {"a raw mask of another hash", CKM_RSA_PKCS_PSS, {CKM_SHA512, CKG_MGF1_SHA256, 64}, false},
      {"no hash", CKM_RSA_PKCS_PSS, {0, 0, 0}, false},
      {"a signing mechanism as hash",
       CKM_RSA_PKCS_PSS,
       {CKM_SHA256_RSA_PKCS_PSS, CKG_MGF1_SHA256, 32},
       false},
      {"numbers that mean nothing", CKM_RSA_PKCS_PSS, {~0UL, ~0UL, ~0UL}, false},
  };
  const Bytes message = {1, 2, 3, 4};
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(signing_mechanism(row.type).name) + ": " + row.what);
    CK_RSA_PKCS_PSS_PARAMS params = row.params;
    CK_MECHANISM choice{row.type, &params, sizeof params};
    if (!row.good) {
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
                p11_->C_SignInit(session_, &choice, key.pair.private_key));
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
                p11_->C_VerifyInit(session_, &choice, key.pair.public_key));
      continue;
    }
    const char* hash = params.hashAlg == CKM_SHA224   ? "SHA224"
                       : params.hashAlg == CKM_SHA256 ? "SHA256"
                       : params.hashAlg == CKM_SHA384 ? "SHA384"
                                                      : "SHA512";
    const bool raw = row.type == CKM_RSA_PKCS_PSS;
    const Bytes input = raw ? openssl_digest(hash, message) : message;
    Bytes signature;
    ASSERT_RV(CKR_OK, sign_with(choice, key.pair.private_key, input, signature));
    EXPECT_RV(CKR_OK, verify_with(choice, key.pair.public_key, input, signature));
    EXPECT_TRUE(is_signature(
        key.check.get(),
        {SignatureForm::Scheme::rsa_pss, raw ? nullptr : hash, hash, static_cast<int>(params.sLen)},
        input, signature));
  }
}

TEST_F(MechanismTest, RefusePssParametersOfAnotherSize) {
  const TestKey& key = key_of(kRsa2048);
  struct {
    CK_RSA_PKCS_PSS_PARAMS params{CKM_SHA256, CKG_MGF1_SHA256, 32};
    CK_BYTE tail[8] = {};
  } room;
  for (const CK_MECHANISM_TYPE type : {CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS}) {
    for (const CK_ULONG size :
         {CK_ULONG{1}, sizeof room.params - 1, sizeof room.params + 1, CK_ULONG{sizeof room}}) {
      CK_MECHANISM choice{type, &room, size};
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
                p11_->C_SignInit(session_, &choice, key.pair.private_key))
          << size;
    }
    CK_MECHANISM missing{type, nullptr, 0};
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              p11_->C_SignInit(session_, &missing, key.pair.private_key));
    CK_MECHANISM nowhere{type, nullptr, sizeof room.params};
    EXPECT_RV_OF(p11_->C_SignInit(session_, &nowhere, key.pair.private_key),
                 CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
    CK_MECHANISM empty{type, &room, 0};
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              p11_->C_SignInit(session_, &empty, key.pair.private_key));
  }
}

// The mechanisms here have no parameter for each message.
TEST_F(MechanismTest, TakeNoParameterForAMessage) {
  const TestKey& key = key_of(kP256);
  CK_MECHANISM choice{CKM_ECDSA_SHA256, nullptr, 0};
  Bytes data(4);
  Bytes signature(64);
  CK_ULONG size = signature.size();
  CK_BYTE parameter[4] = {};
  ASSERT_RV(CKR_OK, p11_->C_MessageSignInit(session_, &choice, key.pair.private_key));
  ASSERT_RV(CKR_OK, p11_->C_MessageVerifyInit(session_, &choice, key.pair.public_key));
  EXPECT_RV_OF(p11_->C_SignMessage(session_, parameter, sizeof parameter, data.data(), data.size(),
                                   signature.data(), &size),
               CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
  EXPECT_RV_OF(p11_->C_SignMessageBegin(session_, parameter, sizeof parameter),
               CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
  EXPECT_RV_OF(p11_->C_VerifyMessage(session_, parameter, sizeof parameter, data.data(),
                                     data.size(), signature.data(), size),
               CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
  EXPECT_RV_OF(p11_->C_VerifyMessageBegin(session_, parameter, sizeof parameter),
               CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(MechanismTest, ComputeTheDigestsTheyName) {
  const std::pair<CK_MECHANISM_TYPE, const char*> rows[] = {{CKM_SHA224, "SHA224"},
                                                            {CKM_SHA256, "SHA256"},
                                                            {CKM_SHA384, "SHA384"},
                                                            {CKM_SHA512, "SHA512"}};
  for (const auto& [type, name] : rows) {
    if (out_of_reach(type)) continue;
    for (const std::size_t size : {0, 1, 55, 64, 111, 128, 1000}) {
      SCOPED_TRACE(std::string(name) + " of " + std::to_string(size));
      CK_MECHANISM choice{type, nullptr, 0};
      Bytes data(size, 0x3c);
      Bytes digest(64);
      CK_ULONG length = digest.size();
      ASSERT_RV(CKR_OK, p11_->C_DigestInit(session_, &choice));
      ASSERT_RV(CKR_OK, p11_->C_Digest(session_, data.data(), size, digest.data(), &length));
      digest.resize(length);
      EXPECT_EQ(digest, openssl_digest(name, data));

      digest.resize(64);
      length = digest.size();
      ASSERT_RV(CKR_OK, p11_->C_DigestInit(session_, &choice));
      ASSERT_RV(CKR_OK, p11_->C_DigestUpdate(session_, data.data(), size / 3));
      ASSERT_RV(CKR_OK, p11_->C_DigestUpdate(session_, data.data() + size / 3, size - size / 3));
      ASSERT_RV(CKR_OK, p11_->C_DigestFinal(session_, digest.data(), &length));
      digest.resize(length);
      EXPECT_EQ(digest, openssl_digest(name, data));
    }
  }
}

TEST_F(MechanismTest, GiveRandomBytes) {
  Bytes first(100'000);
  Bytes second(100'000);
  ASSERT_RV(CKR_OK, p11_->C_GenerateRandom(session_, first.data(), first.size()));
  ASSERT_RV(CKR_OK, p11_->C_GenerateRandom(session_, second.data(), second.size()));
  EXPECT_NE(first, second);
  EXPECT_GT(std::count(first.begin(), first.end(), 0), 200) << "about 390 of each byte";
  EXPECT_LT(std::count(first.begin(), first.end(), 0), 600);
}

}  // namespace
}  // namespace mayfly::test
