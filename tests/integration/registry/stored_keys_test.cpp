#include "integration/registry/registry_test.h"

namespace mayfly::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using StoredKeys = RegistryTest;

StoredKeyRecord key(std::uint8_t number, const std::string& device = "device") {
  return {Bytes(32, number), "label", device, "task", digits(number)};
}

TEST_P(StoredKeys, AreKeptUntilTheyAreRemoved) {
  registry_->add_stored_key(key(1));
  registry_->add_stored_key(key(2, "other"));
  const auto another = place_.open();
  EXPECT_THAT(another->stored_keys("device"), ElementsAre(key(1)));
  EXPECT_THAT(another->stored_keys("other"), ElementsAre(key(2, "other")));
  another->remove_stored_key(key(1).id);
  another->remove_stored_key(key(1).id);
  EXPECT_THAT(registry_->stored_keys("device"), IsEmpty());
}

TEST_P(StoredKeys, AreMarkedAsGivenUp) {
  registry_->add_stored_key(key(1));
  registry_->give_up_stored_key(key(1).id);
  registry_->give_up_stored_key(key(2).id);
  StoredKeyRecord expected = key(1);
  expected.given_up = true;
  EXPECT_THAT(registry_->stored_keys("device"), ElementsAre(expected));
}

TEST_P(StoredKeys, AreRefusedTwiceAndMalformed) {
  registry_->add_stored_key(key(1));
  EXPECT_EQ(fault_of([&] { registry_->add_stored_key(key(1)); }), CKR_FUNCTION_FAILED);
  StoredKeyRecord bad = key(2);
  bad.id.clear();
  EXPECT_EQ(fault_of([&] { registry_->add_stored_key(bad); }), CKR_ARGUMENTS_BAD);
  bad = key(2);
  bad.label.assign(1'025, 'x');
  EXPECT_EQ(fault_of([&] { registry_->add_stored_key(bad); }), CKR_ARGUMENTS_BAD);
  bad = key(2);
  bad.task_serial = "no serial";
  EXPECT_EQ(fault_of([&] { registry_->add_stored_key(bad); }), CKR_ARGUMENTS_BAD);
  EXPECT_THAT(registry_->stored_keys("device"), ElementsAre(key(1)));
}

TEST_P(StoredKeys, HostIsTheSameForAllAndAnotherElsewhere) {
  EXPECT_EQ(registry_->host().size(), 12U);
  EXPECT_EQ(place_.open()->host(), registry_->host());
  EXPECT_NE(RegistryPlace(GetParam()).open()->host(), registry_->host());
}

MAYFLY_ON_EVERY_DATABASE(StoredKeys);

}  // namespace
}  // namespace mayfly::test
