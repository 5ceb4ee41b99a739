// Bytes as hexadecimal digits.
#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace mayfly {
namespace {

TEST(Hex, IsReadAsItIsWritten) {
  const Bytes all = {0x00, 0x01, 0x0f, 0x10, 0x9a, 0xbc, 0xde, 0xff};
  EXPECT_EQ(to_hex(all), "00010f109abcdeff");
  EXPECT_EQ(parse_hex("00010f109abcdeff"), all);
  EXPECT_EQ(parse_hex(""), Bytes());
}

TEST(Hex, IsNothingElse) {
  using namespace std::string_view_literals;
  for (const auto text : {"0"sv, "000"sv, "AB"sv, "0x"sv, " 0"sv, "-1"sv, "0g"sv, "0\0"sv}) {
    EXPECT_EQ(parse_hex(text), std::nullopt) << text;
  }
  EXPECT_TRUE(is_hex("0af9", 4));
  for (const auto text : {"0af"sv, "0af90"sv, "0AF9"sv, "0af:"sv, ""sv}) {
    EXPECT_FALSE(is_hex(text, 4)) << text;
  }
}

TEST(Hex, OfRandomBytesIsAsLongAsAskedFor) {
  const std::string one = random_hex(8, "a test");
  EXPECT_TRUE(is_hex(one, 16));
  EXPECT_NE(random_hex(8, "a test"), one);
}

}  // namespace
}  // namespace mayfly
