#include "device/pkcs11/stored_key_name.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mayfly::pkcs11 {
namespace {

StoredKeyName::Parts parts() {
  return {"0123456789ab",
          {"0123456789abcdef", 4026531836, 4026531834, 4711, 123456},
          "fedcba9876543210",
          1'800'000'000};
}

TEST(StoredKeyName, SaysAllOfItInTheLabel) {
  const StoredKeyName name = StoredKeyName::make(parts());
  EXPECT_EQ(name.label(),
            "mayfly1:0123456789ab:0123456789abcdef:effffffc:effffffa:1267:1e240:fedcba9876543210:"
            "6b49d200");
  EXPECT_EQ(name.id().size(), 32U);
}

TEST(StoredKeyName, ReadsBackAsMade) {
  const StoredKeyName name = StoredKeyName::make(parts());
  const auto read = StoredKeyName::parse(name.label(), name.id());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->parts(), parts());
  EXPECT_EQ(read->label(), name.label());
  EXPECT_EQ(read->id(), name.id());
}

TEST(StoredKeyName, IsNewEachTime) {
  EXPECT_NE(StoredKeyName::make(parts()).id(), StoredKeyName::make(parts()).id());
}

TEST(StoredKeyName, FitsIntoALabelWithTheLargestNumbers) {
  StoredKeyName::Parts large = parts();
  large.owner.pid_namespace = large.owner.time_namespace = 0xffffffff;
  large.owner.pid = 4'194'304;
  large.owner.started = 0xffffffffff;
  large.until = 0xffffffffff;
  EXPECT_LE(StoredKeyName::make(large).label().size(), 127U);
}

TEST(StoredKeyName, ThatCanNotBeWrittenIsRefused) {
  for (const auto& spoil : {+[](StoredKeyName::Parts& p) { p.host = "short"; },
                            +[](StoredKeyName::Parts& p) { p.task = "not:sixteen:hex:"; },
                            +[](StoredKeyName::Parts& p) { p.owner.boot += "0"; }}) {
    StoredKeyName::Parts bad = parts();
    spoil(bad);
    EXPECT_THROW(StoredKeyName::make(bad), Error);
  }
}

TEST(StoredKeyName, EveryOtherByteOfTheLabelMakesItSomebodyElses) {
  const StoredKeyName name = StoredKeyName::make(parts());
  for (std::size_t i = 0; i < name.label().size(); ++i) {
    std::string label = name.label();
    label[i] = label[i] == '1' ? '2' : '1';
    EXPECT_FALSE(StoredKeyName::parse(label, name.id())) << label;
  }
}

TEST(StoredKeyName, EveryOtherByteOfTheIdMakesItSomebodyElses) {
  const StoredKeyName name = StoredKeyName::make(parts());
  for (std::size_t i = 0; i < name.id().size(); ++i) {
    Bytes id = name.id();
    id[i] ^= 1;
    EXPECT_FALSE(StoredKeyName::parse(name.label(), id)) << i;
  }
  for (const std::size_t size : {0U, 16U, 31U}) {
    EXPECT_FALSE(StoredKeyName::parse(name.label(), ByteView(name.id()).first(size)));
  }
}

TEST(StoredKeyName, LabelsOfOthersAreNone) {
  const Bytes id = StoredKeyName::make(parts()).id();
  const std::string good = StoredKeyName::make(parts()).label();
  for (const std::string& label :
       {std::string(), std::string("mayfly1"), std::string("mayfly1:::::::::"), good + ":",
        good + " ", " " + good, good.substr(0, good.size() - 1), std::string(500, ':'),
        std::string("mayfly2") + good.substr(7), std::string("MAYFLY1") + good.substr(7)}) {
    EXPECT_FALSE(StoredKeyName::parse(label, id)) << label;
  }
}

}  // namespace
}  // namespace mayfly::pkcs11
