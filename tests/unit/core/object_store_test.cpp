#include "core/object_store.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mayfly {
namespace {

std::shared_ptr<Object> certificate(std::string_view label, std::string_view id) {
  Attributes attributes;
  attributes.set_number(CKA_CLASS, CKO_CERTIFICATE);
  attributes.set(CKA_LABEL, as_bytes(label));
  attributes.set(CKA_ID, as_bytes(id));
  return std::make_shared<Object>(std::move(attributes));
}

Attributes named(CK_ATTRIBUTE_TYPE type, std::string_view value) {
  Attributes wanted;
  wanted.set(type, as_bytes(value));
  return wanted;
}

TEST(ObjectStore, FindsByNameByOtherAttributesAndAll) {
  ObjectQuota quota(100);
  ObjectStore store(quota);
  const auto a = certificate("a", "1");
  const auto b = certificate("b", "1");
  store.add(a);
  store.add(b);
  EXPECT_EQ(store.find({}), (std::vector{a, b}));
  EXPECT_EQ(store.find(named(CKA_LABEL, "b")), std::vector{b});
  EXPECT_EQ(store.find(named(CKA_ID, "1")), (std::vector{a, b}));
  Attributes both = named(CKA_ID, "1");
  both.set(CKA_LABEL, as_bytes("a"));
  EXPECT_EQ(store.find(both), std::vector{a});
  EXPECT_TRUE(store.find(named(CKA_LABEL, "c")).empty());
  EXPECT_TRUE(store.find(named(CKA_ISSUER, "x")).empty());
}

TEST(ObjectStore, FollowsChangedNames) {
  ObjectQuota quota(100);
  ObjectStore store(quota);
  const auto a = certificate("a", "1");
  store.add(a);
  store.update(*a, named(CKA_LABEL, "z"));
  EXPECT_TRUE(store.find(named(CKA_LABEL, "a")).empty());
  EXPECT_EQ(store.find(named(CKA_LABEL, "z")), std::vector{a});
  EXPECT_TRUE(store.remove(*a));
  EXPECT_FALSE(store.remove(*a));
  EXPECT_TRUE(store.find(named(CKA_LABEL, "z")).empty());
  EXPECT_THROW(store.update(*a, named(CKA_LABEL, "y")), Error);
}

TEST(ObjectStore, RefusesMoreThanItsLimitAndAnythingOnceShut) {
  ObjectQuota quota(1);
  ObjectStore store(quota);
  store.add(certificate("a", "1"));
  EXPECT_THROW(store.add(certificate("b", "2")), Error);
  EXPECT_EQ(store.shut().size(), 1U);
  EXPECT_EQ(store.size(), 0U);
  EXPECT_THROW(store.add(certificate("c", "3")), Error);
}

TEST(ObjectStore, SharesItsQuotaWithOthersAndGivesAllOfItBack) {
  ObjectQuota quota(4);  // and so 16 KiB
  const std::string big(5'000, 'x');
  for (int round = 0; round < 3; ++round) {
    ObjectStore one(quota);
    ObjectStore other(quota);
    const auto a = certificate(big, "1");
    one.add(a);
    other.add(certificate(big, "2"));
    const auto c = certificate(big, "3");
    other.add(c);
    EXPECT_THROW(one.add(certificate(big, "4")), Error) << "20,000 bytes";
    const auto small = certificate("small", "5");
    one.add(small);
    EXPECT_THROW(other.add(certificate("small", "6")), Error) << "five objects";
    EXPECT_THROW(one.update(*small, named(CKA_LABEL, big)), Error);
    EXPECT_EQ(one.find(named(CKA_LABEL, "small")), std::vector{small});
    EXPECT_TRUE(other.remove(*c));
    one.update(*small, named(CKA_LABEL, big));
    one.update(*small, named(CKA_LABEL, "little"));
    other.add(c);
    EXPECT_EQ(one.take_if([&](const Object& object) { return &object == a.get(); }).size(), 1U);
    other.add(certificate(big, "7"));
    EXPECT_EQ(one.shut().size(), 1U);
    other.add(certificate("small", "8"));
  }
}

TEST(ObjectStore, TakesOutWhatAPredicateNames) {
  ObjectQuota quota(100);
  ObjectStore store(quota);
  const auto a = certificate("a", "1");
  const auto b = certificate("b", "2");
  store.add(a);
  store.add(b);
  const auto taken = store.take_if([&](const Object& object) { return &object == a.get(); });
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken.begin()->second, a);
  EXPECT_EQ(store.find({}), std::vector{b});
  EXPECT_TRUE(store.find(named(CKA_LABEL, "a")).empty());
}

}  // namespace
}  // namespace mayfly
