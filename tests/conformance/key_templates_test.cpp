// What the two templates of C_GenerateKeyPair may say: each attribute, allowed, refused and
// narrowed.
#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

enum class Half { private_key, public_key };
using enum Half;

/// One attribute in one of the templates.
struct AskedTemplate {
  const char* what;
  Half half;
  Attribute wanted;
  CK_RV answer;
  std::optional<Bytes> reads_back;  ///< nothing: what was wanted

  AskedTemplate(const char* w, Half h, Attribute a, CK_RV rv,
                std::optional<Bytes> back = std::nullopt)
      : what(w), half(h), wanted(std::move(a)), answer(rv), reads_back(std::move(back)) {}
};

const Bytes kNo = flag_bytes(false);
const Bytes kDate = to_bytes(as_bytes("20260131"));

// For every kind of key.
std::vector<AskedTemplate> rows_for(const KeyKind& kind) {
  const CK_KEY_TYPE other_type = kind.is_rsa() ? CKK_EC : CKK_RSA;
  return {
      // What it is -----------------------------------------------------------------------------
      {"CLASS", private_key, {CKA_CLASS, CKO_PRIVATE_KEY}, CKR_OK},
      {"CLASS", public_key, {CKA_CLASS, CKO_PUBLIC_KEY}, CKR_OK},
      {"CLASS of the other half",
       private_key,
       {CKA_CLASS, CKO_PUBLIC_KEY},
       CKR_TEMPLATE_INCONSISTENT},
      {"CLASS of the other half",
       public_key,
       {CKA_CLASS, CKO_PRIVATE_KEY},
       CKR_TEMPLATE_INCONSISTENT},
      {"CLASS of a secret key",
       private_key,
       {CKA_CLASS, CKO_SECRET_KEY},
       CKR_TEMPLATE_INCONSISTENT},
      {"CLASS of 4 bytes", private_key, {CKA_CLASS, Bytes(4)}, CKR_ATTRIBUTE_VALUE_INVALID},
      {"CLASS of no bytes", public_key, {CKA_CLASS, Bytes()}, CKR_ATTRIBUTE_VALUE_INVALID},
      {"KEY_TYPE", private_key, {CKA_KEY_TYPE, kind.type}, CKR_OK},
      {"KEY_TYPE", public_key, {CKA_KEY_TYPE, kind.type}, CKR_OK},
      {"another KEY_TYPE", private_key, {CKA_KEY_TYPE, other_type}, CKR_TEMPLATE_INCONSISTENT},
      {"another KEY_TYPE", public_key, {CKA_KEY_TYPE, other_type}, CKR_TEMPLATE_INCONSISTENT},
      {"KEY_TYPE of 9 bytes", public_key, {CKA_KEY_TYPE, Bytes(9)}, CKR_ATTRIBUTE_VALUE_INVALID},

      // Where it is ------------------------------------------------------------------------------
      {"TOKEN", private_key, {CKA_TOKEN, true}, CKR_OK},
      {"TOKEN", public_key, {CKA_TOKEN, true}, CKR_OK},
      {"not TOKEN", private_key, {CKA_TOKEN, false}, CKR_OK},
      {"TOKEN of 2", private_key, {CKA_TOKEN, Bytes{2}}, CKR_ATTRIBUTE_VALUE_INVALID},
      {"TOKEN of 255", public_key, {CKA_TOKEN, Bytes{255}}, CKR_ATTRIBUTE_VALUE_INVALID},
      {"TOKEN of 2 bytes", private_key, {CKA_TOKEN, Bytes{1, 1}}, CKR_ATTRIBUTE_VALUE_INVALID},
      {"TOKEN of no bytes", public_key, {CKA_TOKEN, Bytes()}, CKR_ATTRIBUTE_VALUE_INVALID},

      // What must hold (a template that asks otherwise is refused, never mended)
      // -------------------
      {"PRIVATE", private_key, {CKA_PRIVATE, true}, CKR_OK},
      {"not PRIVATE", private_key, {CKA_PRIVATE, false}, CKR_ATTRIBUTE_VALUE_INVALID},
      {"SENSITIVE", private_key, {CKA_SENSITIVE, true}, CKR_OK},
      {"not SENSITIVE", private_key, {CKA_SENSITIVE, false}, CKR_ATTRIBUTE_VALUE_INVALID},
      {"SENSITIVE of 8 bytes",
       private_key,
       {CKA_SENSITIVE, number_bytes(1)},
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"not EXTRACTABLE", private_key, {CKA_EXTRACTABLE, false}, CKR_OK},
      {"EXTRACTABLE", private_key, {CKA_EXTRACTABLE, true}, CKR_ATTRIBUTE_VALUE_INVALID},
      {"EXTRACTABLE of 3", private_key, {CKA_EXTRACTABLE, Bytes{3}}, CKR_ATTRIBUTE_VALUE_INVALID},
      {"not ALWAYS_AUTHENTICATE", private_key, {CKA_ALWAYS_AUTHENTICATE, false}, CKR_OK},
      {"ALWAYS_AUTHENTICATE",
       private_key,
       {CKA_ALWAYS_AUTHENTICATE, true},
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"PRIVATE", public_key, {CKA_PRIVATE, true}, CKR_OK},
      {"not PRIVATE", public_key, {CKA_PRIVATE, false}, CKR_OK},
      {"not TRUSTED", public_key, {CKA_TRUSTED, false}, CKR_OK},

      // What the token says
      // ------------------------------------------------------------------------
      {"ALWAYS_SENSITIVE", private_key, {CKA_ALWAYS_SENSITIVE, true}, CKR_ATTRIBUTE_READ_ONLY},
      {"NEVER_EXTRACTABLE", private_key, {CKA_NEVER_EXTRACTABLE, true}, CKR_ATTRIBUTE_READ_ONLY},
      {"LOCAL", private_key, {CKA_LOCAL, true}, CKR_ATTRIBUTE_READ_ONLY},
      {"LOCAL", public_key, {CKA_LOCAL, true}, CKR_ATTRIBUTE_READ_ONLY},
      {"KEY_GEN_MECHANISM",
       private_key,
       {CKA_KEY_GEN_MECHANISM, kind.generator},
       CKR_ATTRIBUTE_READ_ONLY},
      {"UNIQUE_ID", private_key, {CKA_UNIQUE_ID, "mine"}, CKR_ATTRIBUTE_READ_ONLY},
      {"UNIQUE_ID", public_key, {CKA_UNIQUE_ID, "mine"}, CKR_ATTRIBUTE_READ_ONLY},
      {"MAYFLY_TASK_ID", private_key, {CKA_MAYFLY_TASK_ID, "another"}, CKR_ATTRIBUTE_READ_ONLY},

      // What it is for: signing, and habits that are narrowed
      // --------------------------------------
      {"SIGN", private_key, {CKA_SIGN, true}, CKR_OK},
      {"not SIGN", private_key, {CKA_SIGN, false}, CKR_OK},
      {"DECRYPT", private_key, {CKA_DECRYPT, true}, CKR_OK, kNo},
      {"UNWRAP", private_key, {CKA_UNWRAP, true}, CKR_OK, kNo},
      {"DERIVE", private_key, {CKA_DERIVE, true}, CKR_OK, kNo},
      {"SIGN_RECOVER", private_key, {CKA_SIGN_RECOVER, true}, CKR_OK, kNo},
      {"not DECRYPT", private_key, {CKA_DECRYPT, false}, CKR_OK},
      {"DECRYPT of 2", private_key, {CKA_DECRYPT, Bytes{2}}, CKR_ATTRIBUTE_VALUE_INVALID},
      {"WRAP_WITH_TRUSTED", private_key, {CKA_WRAP_WITH_TRUSTED, true}, CKR_OK},
      {"VERIFY", public_key, {CKA_VERIFY, true}, CKR_OK},
      {"not VERIFY", public_key, {CKA_VERIFY, false}, CKR_OK},
      {"ENCRYPT", public_key, {CKA_ENCRYPT, true}, CKR_OK, kNo},
      {"WRAP", public_key, {CKA_WRAP, true}, CKR_OK, kNo},
      {"DERIVE", public_key, {CKA_DERIVE, true}, CKR_OK, kNo},
      {"VERIFY_RECOVER", public_key, {CKA_VERIFY_RECOVER, true}, CKR_OK, kNo},
      {"ALLOWED_MECHANISMS",
       private_key,
       {CKA_ALLOWED_MECHANISMS, number_bytes(kind.hashing_mechanism)},
       CKR_OK},
      {"no ALLOWED_MECHANISMS", private_key, {CKA_ALLOWED_MECHANISMS, Bytes()}, CKR_OK},
      {"half of ALLOWED_MECHANISMS",
       private_key,
       {CKA_ALLOWED_MECHANISMS, Bytes(4)},
       CKR_ATTRIBUTE_VALUE_INVALID},

      // Names
      // --------------------------------------------------------------------------------------
      {"LABEL", private_key, {CKA_LABEL, "schlüssel"}, CKR_OK},
      {"LABEL of no bytes", private_key, {CKA_LABEL, Bytes()}, CKR_OK},
      {"LABEL of 64 KiB", public_key, {CKA_LABEL, Bytes(65'536, 'x')}, CKR_OK},
      {"ID", private_key, {CKA_ID, Bytes{0, 1, 2, 255}}, CKR_OK},
      {"ID", public_key, {CKA_ID, Bytes{0, 1, 2, 255}}, CKR_OK},
      {"SUBJECT", private_key, {CKA_SUBJECT, Bytes{0x30, 0}}, CKR_OK},
      {"START_DATE", private_key, {CKA_START_DATE, kDate}, CKR_OK},
      {"END_DATE", public_key, {CKA_END_DATE, kDate}, CKR_OK},
      {"END_DATE of no bytes", private_key, {CKA_END_DATE, Bytes()}, CKR_OK},
      {"START_DATE of 7 bytes",
       private_key,
       {CKA_START_DATE, Bytes(7, '1')},
       CKR_ATTRIBUTE_VALUE_INVALID},

      // What may be done with it
      // ---------------------------------------------------------------------
      {"not MODIFIABLE", private_key, {CKA_MODIFIABLE, false}, CKR_OK},
      {"not COPYABLE", private_key, {CKA_COPYABLE, false}, CKR_OK},
      {"not DESTROYABLE", private_key, {CKA_DESTROYABLE, false}, CKR_OK},
      {"not DESTROYABLE", public_key, {CKA_DESTROYABLE, false}, CKR_OK},
      {"MODIFIABLE of 16 bytes",
       public_key,
       {CKA_MODIFIABLE, Bytes(16)},
       CKR_ATTRIBUTE_VALUE_INVALID},
  };
}

std::vector<AskedTemplate> rows_for_curves(const KeyKind& kind) {
  const Bytes other = kind.type == CKK_EC && kind.point_size == 65 ? kP384.curve() : kP256.curve();
  return {
      {"EC_PARAMS", private_key, {CKA_EC_PARAMS, kind.curve()}, CKR_OK},
      {"other EC_PARAMS", private_key, {CKA_EC_PARAMS, other}, CKR_TEMPLATE_INCONSISTENT},
      {"EC_POINT",
       public_key,
       {CKA_EC_POINT, Bytes(kind.point_size + 2, 4)},
       CKR_ATTRIBUTE_READ_ONLY},
      {"VALUE", private_key, {CKA_VALUE, Bytes(32, 1)}, CKR_TEMPLATE_INCONSISTENT},
  };
}

std::vector<AskedTemplate> rows_for_rsa() {
  return {
      {"PUBLIC_EXPONENT 3",
       public_key,
       {CKA_PUBLIC_EXPONENT, Bytes{3}},
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"PUBLIC_EXPONENT 2",
       public_key,
       {CKA_PUBLIC_EXPONENT, Bytes{2}},
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"PUBLIC_EXPONENT of no bytes",
       public_key,
       {CKA_PUBLIC_EXPONENT, Bytes()},
       CKR_ATTRIBUTE_VALUE_INVALID},
      {"MODULUS", public_key, {CKA_MODULUS, Bytes(256, 0xff)}, CKR_ATTRIBUTE_READ_ONLY},
      {"PRIVATE_EXPONENT",
       private_key,
       {CKA_PRIVATE_EXPONENT, Bytes(256, 1)},
       CKR_TEMPLATE_INCONSISTENT},
      {"PRIME_1", private_key, {CKA_PRIME_1, Bytes(128, 1)}, CKR_TEMPLATE_INCONSISTENT},
      {"PRIME_2", private_key, {CKA_PRIME_2, Bytes(128, 1)}, CKR_TEMPLATE_INCONSISTENT},
      {"EXPONENT_1", private_key, {CKA_EXPONENT_1, Bytes(128, 1)}, CKR_TEMPLATE_INCONSISTENT},
      {"EXPONENT_2", private_key, {CKA_EXPONENT_2, Bytes(128, 1)}, CKR_TEMPLATE_INCONSISTENT},
      {"COEFFICIENT", private_key, {CKA_COEFFICIENT, Bytes(128, 1)}, CKR_TEMPLATE_INCONSISTENT},
  };
}

class KeyTemplateTest : public ConformanceTest {
 protected:
  using ConformanceTest::ConformanceTest;

  void SetUp() override {
    ConformanceTest::SetUp();
    session_ = open_session();
  }

  /// Makes a key pair with the row's attribute, and judges the answer, what it reads back as, and
  /// what is on the device.
  void expect_row(const KeyKind& kind, const AskedTemplate& row) {
    SCOPED_TRACE(std::string(kind.name) + ": " + row.what +
                 (row.half == private_key ? ", private" : ", public"));
    Template wanted[2];
    wanted[row.half == private_key ? 1 : 0].add(row.wanted);
    KeyPair pair;
    const CK_RV rv = try_generate(session_, kind, wanted[0], wanted[1], pair);
    if (row.answer != CKR_ATTRIBUTE_VALUE_INVALID || !is_unsent_value(rv)) {
      EXPECT_RV(row.answer, rv);
    }
    if (rv != CKR_OK) {
      EXPECT_EQ(pair.private_key, CK_INVALID_HANDLE);
      EXPECT_EQ(device_keys(), 0U) << "a refused key is on the device";
      return;
    }
    const CK_OBJECT_HANDLE object = row.half == private_key ? pair.private_key : pair.public_key;
    EXPECT_EQ(get(session_, object, row.wanted.type), row.reads_back.value_or(row.wanted.value));
    expect_always_true(pair.private_key);
    end_objects();
  }

  /// What holds of each private key, whatever its template said.
  void expect_always_true(CK_OBJECT_HANDLE key) {
    const std::pair<CK_ATTRIBUTE_TYPE, bool> flags[] = {
        {CKA_PRIVATE, true},
        {CKA_SENSITIVE, true},
        {CKA_EXTRACTABLE, false},
        {CKA_ALWAYS_SENSITIVE, true},
        {CKA_NEVER_EXTRACTABLE, true},
        {CKA_LOCAL, true},
        {CKA_DECRYPT, false},
        {CKA_UNWRAP, false},
        {CKA_DERIVE, false},
        {CKA_SIGN_RECOVER, false},
        {CKA_ALWAYS_AUTHENTICATE, false},
    };
    for (const auto& [type, value] : flags) {
      EXPECT_EQ(get(session_, key, type), flag_bytes(value)) << "attribute " << type;
    }
  }

  /// Destroys all keys, those too that C_DestroyObject may not touch: a new task, a new session.
  void end_objects() {
    end_all_tasks();
    EXPECT_EQ(device_keys(), 0U);
    start_task(kTask);
    session_ = open_session();
  }

  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
};

TEST_F(KeyTemplateTest, OfCurvesKeepEachRow) {
  for (const KeyKind* kind : quick_kinds()) {
    for (const AskedTemplate& row : rows_for(*kind)) expect_row(*kind, row);
    for (const AskedTemplate& row : rows_for_curves(*kind)) expect_row(*kind, row);
  }
}

// RSA keys take long to make, so what is allowed is asked for in one pair.
TEST_F(KeyTemplateTest, OfRsaKeepEachRow) {
  Template allowed[2];
  std::vector<AskedTemplate> all = rows_for(kRsa2048);
  for (const AskedTemplate& row : rows_for_rsa()) all.push_back(row);
  for (const AskedTemplate& row : all) {
    if (row.answer != CKR_OK) {
      expect_row(kRsa2048, row);
      continue;
    }
    Template& half = allowed[row.half == private_key ? 1 : 0];
    half = half.without(row.wanted.type);
    half.add(row.wanted);
  }
  allowed[0].add({CKA_PUBLIC_EXPONENT, Bytes{0, 1, 0, 1}});
  KeyPair pair;
  ASSERT_RV(CKR_OK, try_generate(session_, kRsa2048, allowed[0], allowed[1], pair));
  expect_always_true(pair.private_key);
  for (const AskedTemplate& row : all) {
    if (row.answer != CKR_OK || !row.reads_back) continue;
    const CK_OBJECT_HANDLE object = row.half == private_key ? pair.private_key : pair.public_key;
    EXPECT_EQ(get(session_, object, row.wanted.type), row.reads_back) << row.what;
  }
  EXPECT_EQ(get(session_, pair.public_key, CKA_PUBLIC_EXPONENT), (Bytes{1, 0, 1}));
}

// An attribute that the standard knows, but not for such an object, makes a template inconsistent;
// one that it does not know at all is of an invalid type (4.1.1). Many modules say the latter of
// both.
TEST_F(KeyTemplateTest, MayNotNameWhatTheObjectDoesNotHave) {
  const struct {
    const char* what;
    Half half;
    Attribute wanted;
    bool known;
  } rows[] = {
      {"VERIFY", private_key, {CKA_VERIFY, true}, true},
      {"ENCRYPT", private_key, {CKA_ENCRYPT, true}, true},
      {"WRAP", private_key, {CKA_WRAP, true}, true},
      {"TRUSTED", private_key, {CKA_TRUSTED, true}, true},
      {"MODULUS_BITS", private_key, {CKA_MODULUS_BITS, 2048UL}, true},
      {"VALUE_LEN", private_key, {CKA_VALUE_LEN, 32UL}, true},
      {"CERTIFICATE_TYPE", private_key, {CKA_CERTIFICATE_TYPE, CKC_X_509}, true},
      {"SIGN", public_key, {CKA_SIGN, true}, true},
      {"DECRYPT", public_key, {CKA_DECRYPT, true}, true},
      {"SENSITIVE", public_key, {CKA_SENSITIVE, true}, true},
      {"EXTRACTABLE", public_key, {CKA_EXTRACTABLE, false}, true},
      {"VALUE", public_key, {CKA_VALUE, Bytes(32, 1)}, true},
      {"an unknown one", private_key, {0x7ffffff0, true}, false},
      {"an unknown one", public_key, {0x7ffffff0, true}, false},
      {"a vendor's", private_key, {CKA_VENDOR_DEFINED | 7, true}, false},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    Template wanted[2];
    wanted[row.half == private_key ? 1 : 0].add(row.wanted);
    KeyPair pair;
    const CK_RV rv = try_generate(session_, kP256, wanted[0], wanted[1], pair);
    if (row.known) {
      EXPECT_RV_OF(rv, CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_TYPE_INVALID);
    } else {
      EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, rv);
    }
  }
  EXPECT_EQ(device_keys(), 0U);
}

// CKA_TRUSTED can be set to true by the security officer only, and a task has none.
TEST_F(KeyTemplateTest, MayNotAskForTrust) {
  KeyPair pair;
  EXPECT_RV_OF(try_generate(session_, kP256, {{CKA_TRUSTED, true}}, {}, pair),
               CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST_F(KeyTemplateTest, MayNotContradictThemselves) {
  KeyPair pair;
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            try_generate(session_, kP256, {}, {{CKA_LABEL, "a"}, {CKA_LABEL, "b"}}, pair));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            try_generate(session_, kP256, {}, {{CKA_TOKEN, true}, {CKA_TOKEN, false}}, pair));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            try_generate(session_, kP256, {{CKA_EC_PARAMS, kP384.curve()}}, {}, pair))
      << "two curves";
  // The same twice may be taken or refused (4.1.1, 6).
  EXPECT_RV_OF(try_generate(session_, kP256, {}, {{CKA_SIGN, true}, {CKA_SIGN, true}}, pair),
               CKR_OK, CKR_TEMPLATE_INCONSISTENT);
  // A refusal may not hide behind a repetition.
  EXPECT_NE(
      try_generate(session_, kP256, {}, {{CKA_EXTRACTABLE, false}, {CKA_EXTRACTABLE, true}}, pair),
      CKR_OK);
}

TEST_F(KeyTemplateTest, MayNotBeTooLongOrPointNowhere) {
  KeyPair pair;
  Template nowhere;
  nowhere.add_raw({CKA_LABEL, nullptr, 5});
  Template public_template = kP256.public_template();
  CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  const auto answer = [&](Template& wanted) {
    return p11_->C_GenerateKeyPair(session_, &mechanism, public_template.data(),
                                   public_template.size(), wanted.data(), wanted.size(),
                                   &pair.public_key, &pair.private_key);
  };
  EXPECT_RV_OF(answer(nowhere), CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
  Template huge({{CKA_LABEL, Bytes(10'000'000, 'x')}});
  EXPECT_NE(answer(huge), CKR_OK) << "ten million bytes of label";
  Template many;
  for (CK_ULONG i = 0; i < 100'000; ++i) many.add({CKA_VENDOR_DEFINED | i, true});
  EXPECT_NE(answer(many), CKR_OK);
  EXPECT_EQ(device_keys(), 0U);
}

TEST_F(KeyTemplateTest, MustSayWhichCurve) {
  const struct {
    const char* what;
    const KeyKind& kind;
    std::optional<Bytes> params;
    std::vector<CK_RV> answers;
  } rows[] = {
      {"none", kP256, std::nullopt, {CKR_TEMPLATE_INCOMPLETE}},
      {"none", kEd25519, std::nullopt, {CKR_TEMPLATE_INCOMPLETE}},
      {"secp256k1", kP256, from_hex("06052b8104000a"), {CKR_CURVE_NOT_SUPPORTED}},
      {"P-224", kP256, from_hex("06052b81040021"), {CKR_CURVE_NOT_SUPPORTED}},
      {"brainpoolP256r1", kP256, from_hex("06092b2403030208010107"), {CKR_CURVE_NOT_SUPPORTED}},
      {"Ed448", kEd25519, from_hex("06032b6571"), {CKR_CURVE_NOT_SUPPORTED}},
      {"X25519", kEd25519, from_hex("06032b656e"), {CKR_CURVE_NOT_SUPPORTED}},
      {"Ed25519 with the other mechanism", kP256, kEd25519.curve(), {CKR_CURVE_NOT_SUPPORTED}},
      {"P-256 with the other mechanism", kEd25519, kP256.curve(), {CKR_CURVE_NOT_SUPPORTED}},
      {"no bytes", kP256, Bytes(), {}},
      {"something", kP256, Bytes{1, 2, 3}, {}},
      {"an OID that is cut", kP256, from_hex("06082a8648ce3d0301"), {}},
      {"an OID with a tail", kP256, from_hex("06082a8648ce3d03010700"), {}},
      {"implicit parameters", kP256, from_hex("0500"), {}},
      {"an endless length", kP256, from_hex("0684ffffffff2a"), {}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    Template wanted;
    if (row.params) wanted.add({CKA_EC_PARAMS, *row.params});
    CK_MECHANISM mechanism{row.kind.generator, nullptr, 0};
    KeyPair pair;
    const CK_RV rv = p11_->C_GenerateKeyPair(session_, &mechanism, wanted.data(), wanted.size(),
                                             nullptr, 0, &pair.public_key, &pair.private_key);
    if (row.answers.empty()) {  // not DER of a curve: the standard has three names for that
      EXPECT_RV_OF(rv, CKR_CURVE_NOT_SUPPORTED, CKR_ATTRIBUTE_VALUE_INVALID,
                   CKR_DOMAIN_PARAMS_INVALID);
    } else {
      EXPECT_RV(row.answers.front(), rv);
    }
  }
  EXPECT_EQ(device_keys(), 0U);
}

// PKCS#11 3.0 names Ed25519 by OID or by a PrintableString (mechanisms, 2.3.10).
TEST_F(KeyTemplateTest, MayNameEd25519ByItsName) {
  const Bytes name = from_hex("130c656477617264733235353139");
  Template wanted({{CKA_EC_PARAMS, name}});
  CK_MECHANISM mechanism{CKM_EC_EDWARDS_KEY_PAIR_GEN, nullptr, 0};
  KeyPair pair;
  ASSERT_RV(CKR_OK, p11_->C_GenerateKeyPair(session_, &mechanism, wanted.data(), wanted.size(),
                                            nullptr, 0, &pair.public_key, &pair.private_key));
  EXPECT_EQ(get(session_, pair.public_key, CKA_EC_PARAMS), name);
  EXPECT_EQ(get(session_, pair.private_key, CKA_EC_PARAMS), name);
  EXPECT_RV(CKR_OK, sign_answer(session_, pair.private_key, kEd25519));
}

TEST_F(KeyTemplateTest, MustSayWhichRsaSize) {
  CK_MECHANISM mechanism{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  KeyPair pair;
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE,
            p11_->C_GenerateKeyPair(session_, &mechanism, nullptr, 0, nullptr, 0, &pair.public_key,
                                    &pair.private_key));
  for (const CK_ULONG bits :
       {0UL, 1UL, 512UL, 1024UL, 2047UL, 2049UL, 8192UL, 16384UL, 4294967296UL + 2048UL, ~0UL}) {
    SCOPED_TRACE(bits);
    Template wanted({{CKA_MODULUS_BITS, bits}});
    EXPECT_RV(CKR_KEY_SIZE_RANGE,
              p11_->C_GenerateKeyPair(session_, &mechanism, wanted.data(), wanted.size(), nullptr,
                                      0, &pair.public_key, &pair.private_key));
  }
  Template short_number({{CKA_MODULUS_BITS, Bytes(4, 8)}});
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            p11_->C_GenerateKeyPair(session_, &mechanism, short_number.data(), 1, nullptr, 0,
                                    &pair.public_key, &pair.private_key));
  EXPECT_EQ(device_keys(), 0U);
}

TEST_F(KeyTemplateTest, GoWithAMechanismThatMakesKeyPairs) {
  Template wanted = kP256.public_template();
  KeyPair pair;
  for (const CK_MECHANISM_TYPE type :
       {CKM_ECDSA, CKM_SHA256, CKM_AES_KEY_GEN, CKM_RSA_X9_31_KEY_PAIR_GEN, CKM_DSA_KEY_PAIR_GEN,
        CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS, CKM_VENDOR_DEFINED,
        ~0UL}) {
    SCOPED_TRACE(type);
    CK_MECHANISM mechanism{type, nullptr, 0};
    EXPECT_RV(CKR_MECHANISM_INVALID,
              p11_->C_GenerateKeyPair(session_, &mechanism, wanted.data(), wanted.size(), nullptr,
                                      0, &pair.public_key, &pair.private_key));
  }
  CK_BYTE parameter[8] = {};
  CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, parameter, sizeof parameter};
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            p11_->C_GenerateKeyPair(session_, &mechanism, wanted.data(), wanted.size(), nullptr, 0,
                                    &pair.public_key, &pair.private_key));
}

// Narrowing is not done in silence.
TEST_F(KeyTemplateTest, ThatAreNarrowedLeaveALogLine) {
  generate(session_, kP256, {}, {{CKA_DERIVE, true}});
  EXPECT_NE(log_text().find("CKA_DERIVE narrowed to false"), std::string::npos) << log_text();
}

class StrictKeyTemplateTest : public KeyTemplateTest {
 protected:
  StrictKeyTemplateTest() : KeyTemplateTest(Settings{.strict_usage = true}) {}
};

TEST_F(StrictKeyTemplateTest, AreRefusedInsteadOfNarrowed) {
  for (const KeyKind* kind : all_kinds()) {
    for (const AskedTemplate& row : rows_for(*kind)) {
      if (!row.reads_back) continue;
      expect_row(*kind, AskedTemplate(row.what, row.half, row.wanted, CKR_ATTRIBUTE_VALUE_INVALID));
    }
  }
  const KeyPair pair = generate(session_, kP256, {}, {{CKA_DERIVE, false}, {CKA_SIGN, true}});
  expect_always_true(pair.private_key);
}

}  // namespace
}  // namespace mayfly::test
