#include "core/offer.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "support/failure_of.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

MechanismSet only(std::initializer_list<CK_MECHANISM_TYPE> types) {
  MechanismSet set;
  for (const CK_MECHANISM_TYPE type : types) set.insert(*find_mechanism(type));
  return set;
}

KeySpecSet only(std::initializer_list<KeySpec> kinds) {
  KeySpecSet set;
  for (const KeySpec& kind : kinds) set.insert(kind);
  return set;
}

class OfferTest : public testing::Test {
 protected:
  [[nodiscard]] bool lists(CK_MECHANISM_TYPE type) const {
    const auto listed = offer.mechanisms();
    return std::ranges::find(listed, type) != listed.end();
  }

  /// Whether a mechanism is listed, told of and usable: all of them or none.
  [[nodiscard]] bool offers(CK_MECHANISM_TYPE type, MechanismUse use) const {
    const bool listed = lists(type);
    const CK_RV expected = listed ? CKR_OK : CKR_MECHANISM_INVALID;
    EXPECT_EQ(test::answer_of([&] { static_cast<void>(offer.info(type)); }), expected) << type;
    EXPECT_EQ(test::answer_of([&] { static_cast<void>(offer.require(type, use)); }), expected)
        << type;
    return listed;
  }
  [[nodiscard]] bool signs(CK_MECHANISM_TYPE type) const {
    return offers(type, MechanismUse::sign);
  }
  [[nodiscard]] bool generates(CK_MECHANISM_TYPE type) const {
    return offers(type, MechanismUse::generate);
  }

  const test::FakeDevice device;  // P-256 and RSA 2048, no Ed25519
  TaskPolicy policy;
  const Offer offer{device, policy};
};

TEST_F(OfferTest, HoldsOnlyWhatTheDeviceCanDo) {
  EXPECT_TRUE(signs(CKM_ECDSA));
  EXPECT_TRUE(generates(CKM_EC_KEY_PAIR_GEN));
  EXPECT_FALSE(signs(CKM_EDDSA));
  EXPECT_FALSE(generates(CKM_EC_EDWARDS_KEY_PAIR_GEN));
  EXPECT_FALSE(lists(CKM_ECDSA_SHA1));
  const CK_MECHANISM_INFO info = offer.info(CKM_ECDSA);
  EXPECT_EQ(info.ulMinKeySize, 256U);
  EXPECT_EQ(info.ulMaxKeySize, 256U);
}

TEST_F(OfferTest, MechanismsThatThePolicyLeavesOutAreGone) {
  policy.mechanisms = only({CKM_ECDSA_SHA256, CKM_RSA_PKCS_PSS, CKM_EDDSA});
  EXPECT_TRUE(signs(CKM_ECDSA_SHA256));
  EXPECT_TRUE(signs(CKM_RSA_PKCS_PSS));
  EXPECT_FALSE(signs(CKM_ECDSA));
  EXPECT_FALSE(signs(CKM_SHA256_RSA_PKCS_PSS)) << "a set of its own, whatever it shares";
  EXPECT_FALSE(signs(CKM_EDDSA)) << "allowed, but the device has none";
  EXPECT_TRUE(offers(CKM_SHA256, MechanismUse::digest)) << "digests need no permission";
}

TEST_F(OfferTest, KindsThatThePolicyLeavesOutAreGoneWithTheirMechanisms) {
  policy.keys = only({{CKK_EC, 256}, {CKK_EC, 384}});
  EXPECT_TRUE(offer.includes(KeySpec{CKK_EC, 256}));
  EXPECT_FALSE(offer.includes(KeySpec{CKK_EC, 384})) << "allowed, but the device has none";
  EXPECT_FALSE(offer.includes(KeySpec{CKK_RSA, 2048}));
  EXPECT_TRUE(generates(CKM_EC_KEY_PAIR_GEN));
  EXPECT_FALSE(generates(CKM_RSA_PKCS_KEY_PAIR_GEN));
  EXPECT_FALSE(signs(CKM_RSA_PKCS)) << "there will never be a key for it";
  EXPECT_TRUE(signs(CKM_ECDSA));
}

TEST_F(OfferTest, KeysThatCouldNotSignAreNotMade) {
  policy.mechanisms = only({CKM_ECDSA});
  EXPECT_FALSE(generates(CKM_RSA_PKCS_KEY_PAIR_GEN));
  EXPECT_TRUE(generates(CKM_EC_KEY_PAIR_GEN));
  policy.mechanisms = {};
  EXPECT_FALSE(generates(CKM_EC_KEY_PAIR_GEN));
}

TEST_F(OfferTest, SizesAreThoseThatAreLeft) {
  struct Roomy final : test::FakeDevice {
    [[nodiscard]] bool supports(const KeySpec&) const noexcept override { return true; }
  };
  const Roomy roomy;
  const Offer all(roomy, policy);
  EXPECT_EQ(all.info(CKM_RSA_PKCS).ulMaxKeySize, 4096U);
  policy.keys = only({{CKK_EC, 384}, {CKK_RSA, 3072}});
  EXPECT_EQ(all.info(CKM_RSA_PKCS).ulMinKeySize, 3072U);
  EXPECT_EQ(all.info(CKM_RSA_PKCS).ulMaxKeySize, 3072U);
  EXPECT_EQ(all.info(CKM_EC_KEY_PAIR_GEN).ulMinKeySize, 384U);
  EXPECT_EQ(all.info(CKM_EC_KEY_PAIR_GEN).ulMaxKeySize, 384U);
}

}  // namespace
}  // namespace mayfly
