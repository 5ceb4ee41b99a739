// A key pair of each kind, and signatures judged twice: by C_Verify and by OpenSSL.
#pragma once

#include <map>
#include <vector>

#include "conformance/fixture.h"
#include "conformance/signing_mechanisms.h"

namespace mayfly::test {

class SigningTest : public ConformanceTest {
 protected:
  using ConformanceTest::ConformanceTest;

  struct TestKey {
    const KeyKind* kind;
    KeyPair pair;
    EvpKey check;  ///< rebuilt from the public attributes
  };

  void SetUp() override {
    ConformanceTest::SetUp();
    session_ = open_session();
    for (const KeyKind* kind : all_kinds()) {
      TestKey key{kind, generate(session_, *kind), nullptr};
      const auto value = [&](CK_ATTRIBUTE_TYPE type) {
        return get(session_, key.pair.public_key, type).value_or(Bytes{});
      };
      key.check = kind->is_rsa()
                      ? rsa_public_key(value(CKA_MODULUS), value(CKA_PUBLIC_EXPONENT))
                      : ec_public_key(kind->type, value(CKA_EC_PARAMS), value(CKA_EC_POINT));
      ASSERT_NE(key.check, nullptr) << kind->name;
      keys_.push_back(std::move(key));
    }
  }

  [[nodiscard]] const TestKey& key_of(const KeyKind& kind) const {
    for (const TestKey& key : keys_) {
      if (key.kind == &kind) return key;
    }
    throw std::runtime_error("no such key");
  }

  /// Calls `judge` for each mechanism with each key that it goes with.
  template <typename Judge>
  void for_each_pair(Judge judge) {
    for (const SigningMechanism& mechanism : signing_mechanisms()) {
      for (const TestKey& key : keys_) {
        if (key.kind->type != mechanism.key_type) continue;
        SCOPED_TRACE(std::string(mechanism.name) + " with " + key.kind->name);
        judge(mechanism, key);
      }
    }
  }

  CK_RV sign_with(CK_MECHANISM choice, CK_OBJECT_HANDLE key, const Bytes& data, Bytes& signature) {
    if (const CK_RV rv = p11_->C_SignInit(session_, &choice, key); rv != CKR_OK) return rv;
    signature.resize(1024);
    CK_ULONG size = signature.size();
    const CK_RV rv = p11_->C_Sign(session_, const_cast<CK_BYTE*>(data.data()), data.size(),
                                  signature.data(), &size);
    signature.resize(rv == CKR_OK ? size : 0);
    return rv;
  }

  CK_RV verify_with(CK_MECHANISM choice, CK_OBJECT_HANDLE key, const Bytes& data,
                    const Bytes& signature) {
    if (const CK_RV rv = p11_->C_VerifyInit(session_, &choice, key); rv != CKR_OK) return rv;
    return p11_->C_Verify(session_, const_cast<CK_BYTE*>(data.data()), data.size(),
                          const_cast<CK_BYTE*>(signature.data()), signature.size());
  }

  /// A signature over `input` (what the mechanism was given) must be good for both judges.
  void expect_good(const SigningMechanism& mechanism, const TestKey& key, const Bytes& input,
                   const Bytes& signature) {
    EXPECT_EQ(signature.size(), key.kind->signature_size);
    EXPECT_RV(CKR_OK, verify_with(mechanism.choice(), key.pair.public_key, input, signature));
    EXPECT_TRUE(is_signature(key.check.get(), mechanism.form, input, signature))
        << "OpenSSL does not accept it";
  }

  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  std::vector<TestKey> keys_;
};

}  // namespace mayfly::test
