#include "core/attributes.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mayfly {
namespace {

TEST(Attributes, KeepsTheOrderInWhichTypesWereFirstSet) {
  Attributes list;
  list.set(CKA_LABEL, as_bytes("a"));
  list.set_flag(CKA_TOKEN, true);
  list.set(CKA_LABEL, as_bytes("a much longer label"));
  std::vector<CK_ATTRIBUTE_TYPE> types;
  for (const auto entry : list) types.push_back(entry.type);
  EXPECT_EQ(types, (std::vector<CK_ATTRIBUTE_TYPE>{CKA_LABEL, CKA_TOKEN}));
  EXPECT_EQ(as_text(*list.find(CKA_LABEL)), "a much longer label");
}

TEST(Attributes, ReplacesValuesOfAnyLengthByAnyOther) {
  Attributes list;
  const std::vector<std::string> values = {"x", "", "0123456789", "yy", "0123456789abcdef"};
  for (const auto& first : values) {
    for (const auto& second : values) {
      list.set(CKA_ID, as_bytes(first));
      list.set(CKA_LABEL, as_bytes("neighbour"));
      list.set(CKA_ID, as_bytes(second));
      EXPECT_EQ(as_text(*list.find(CKA_ID)), second);
      EXPECT_EQ(as_text(*list.find(CKA_LABEL)), "neighbour");
    }
  }
  EXPECT_EQ(list.size(), 2U);
}

TEST(Attributes, ReadsFlagsAndNumbersOnlyInTheirOwnSize) {
  Attributes list;
  list.set_flag(CKA_SIGN, true);
  list.set_number(CKA_KEY_TYPE, CKK_EC);
  EXPECT_EQ(list.flag(CKA_SIGN), true);
  EXPECT_EQ(list.number(CKA_KEY_TYPE), CKK_EC);
  EXPECT_EQ(list.flag(CKA_VERIFY), std::nullopt);
  EXPECT_THROW(static_cast<void>(list.number(CKA_SIGN)), Error);
  EXPECT_THROW(static_cast<void>(list.flag(CKA_KEY_TYPE)), Error);
}

TEST(Attributes, NamesTypesForPeople) {
  EXPECT_EQ(attribute_name(CKA_SENSITIVE), "CKA_SENSITIVE");
  EXPECT_EQ(attribute_name(CKA_EC_POINT), "CKA_EC_POINT");
  EXPECT_EQ(attribute_name(0x1234), "attribute 0x1234");
}

}  // namespace
}  // namespace mayfly
