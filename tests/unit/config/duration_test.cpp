#include <gtest/gtest.h>

#include "config/config.h"

namespace mayfly {
namespace {

using std::chrono::seconds;

TEST(Duration, Good) {
  EXPECT_EQ(parse_duration("1s"), seconds(1));
  EXPECT_EQ(parse_duration("90s"), seconds(90));
  EXPECT_EQ(parse_duration("15m"), seconds(900));
  EXPECT_EQ(parse_duration("24h"), seconds(86'400));
  EXPECT_EQ(parse_duration("7d"), seconds(604'800));
  EXPECT_EQ(parse_duration("3650d"), seconds(315'360'000));
  EXPECT_EQ(parse_duration("315360000s"), seconds(315'360'000));
  EXPECT_EQ(parse_duration("010m"), seconds(600));
}

TEST(Duration, Bad) {
  for (const char* text : {"",
                           "s",
                           "m",
                           "15",
                           "15 m",
                           " 15m",
                           "15m ",
                           "15M",
                           "15min",
                           "+15m",
                           "-15m",
                           "1.5h",
                           "1h30m",
                           "0s",
                           "0d",
                           "00h",
                           "3651d",
                           "315360001s",
                           "87601h",
                           "18446744073709551616s",
                           "18446744073709551615d",
                           "307445734561825861m",
                           "0x10s",
                           "1e3s",
                           "\xd9\xa1s",
                           "1\xc2\xb5"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << '"' << text << '"';
  }
  EXPECT_EQ(parse_duration(std::string_view("15m\0", 4)), std::nullopt);
}

TEST(Duration, FormatIsReadBack) {
  for (const long count : {1L, 59L, 60L, 61L, 3600L, 5400L, 86'400L, 90'000L, 315'360'000L}) {
    const std::string text = format_duration(seconds(count));
    EXPECT_EQ(parse_duration(text), seconds(count)) << text;
  }
  EXPECT_EQ(format_duration(seconds(900)), "15m");
  EXPECT_EQ(format_duration(seconds(90)), "90s");
  EXPECT_EQ(format_duration(seconds(86'400)), "1d");
}

}  // namespace
}  // namespace mayfly
