#include "base/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace mayfly {
namespace {

using namespace std::string_literals;

TEST(PrintableUtf8, WellFormed) {
  for (const std::string& text :
       {""s, "task-1"s, " ~"s, "\xc2\xa0"s, "gr\xc3\xbc\xc3\x9f"s, "\xdf\xbf"s, "\xe0\xa0\x80"s,
        "\xed\x9f\xbf"s, "\xee\x80\x80"s, "\xef\xbf\xbf"s, "\xf0\x90\x80\x80"s, "\xf4\x8f\xbf\xbf"s,
        "\xe2\x80\xa7\xe2\x80\xaa"s}) {
    EXPECT_TRUE(is_printable_utf8(text)) << testing::PrintToString(text);
  }
}

TEST(PrintableUtf8, ControlCharacters) {
  for (int c = 0; c < 0x20; ++c) EXPECT_FALSE(is_printable_utf8("a"s + static_cast<char>(c))) << c;
  EXPECT_FALSE(is_printable_utf8("\x7f"));
  for (int c = 0x80; c <= 0x9f; ++c) {
    EXPECT_FALSE(is_printable_utf8("\xc2"s + static_cast<char>(c))) << c;
  }
  EXPECT_FALSE(is_printable_utf8("\xe2\x80\xa8")) << "line separator";
  EXPECT_FALSE(is_printable_utf8("\xe2\x80\xa9")) << "paragraph separator";
}

/// After the kinds of malformed text that RFC 3629 forbids, sections 3 and 10.
TEST(PrintableUtf8, Malformed) {
  for (const std::string& text : {
           "\x80"s,
           "\xbf"s,
           "a\x80"s,  // continuation without a start
           "\xc2"s,
           "\xc2"s + "a",
           "\xe0\xa0"s,
           "\xf0\x90\x80"s,  // cut short
           "\xe0"s,
           "\xe2\x28\xa1"s,
           "\xe2\x82\x28"s,  // broken in the middle
           "\xf0\x28\x8c\xbc"s,
           "\xf0\x90\x28\xbc"s,
           "\xf0\x90\x8c\x28"s,
           "\xc0\x80"s,
           "\xc0\xaf"s,
           "\xc1\xbf"s,  // overlong, two bytes
           "\xe0\x80\x80"s,
           "\xe0\x80\xaf"s,
           "\xe0\x9f\xbf"s,  // overlong, three bytes
           "\xf0\x80\x80\x80"s,
           "\xf0\x80\x80\xaf"s,
           "\xf0\x8f\xbf\xbf"s,  // overlong, four bytes
           "\xed\xa0\x80"s,
           "\xed\xaf\xbf"s,
           "\xed\xb0\x80"s,
           "\xed\xbf\xbf"s,              // surrogates
           "\xed\xa0\xbd\xed\xb2\xa9"s,  // a pair of them (CESU-8)
           "\xf4\x90\x80\x80"s,
           "\xf5\x80\x80\x80"s,
           "\xf7\xbf\xbf\xbf"s,  // above U+10FFFF
           "\xf8\x88\x80\x80\x80"s,
           "\xfc\x84\x80\x80\x80\x80"s,  // five and six bytes
           "\xfe"s,
           "\xff"s,
           "\xff\xfe"s,
           "\xe4"s,  // no UTF-8 at all
       }) {
    EXPECT_FALSE(is_printable_utf8(text)) << testing::PrintToString(text);
    EXPECT_FALSE(is_printable_utf8("good" + text)) << testing::PrintToString(text);
    EXPECT_FALSE(is_printable_utf8(text + "good")) << testing::PrintToString(text);
  }
}

TEST(Utf8Prefix, EndsOnACharacter) {
  const std::string text = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\xa6\x9f";  // 1 + 2 + 3 + 4 bytes
  const std::size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (std::size_t most = 0; most < std::size(expected); ++most) {
    const std::string_view prefix = utf8_prefix(text, most);
    EXPECT_EQ(prefix, text.substr(0, expected[most])) << most;
    EXPECT_TRUE(is_printable_utf8(prefix)) << most;
  }
  EXPECT_EQ(utf8_prefix("", 0), "");
  EXPECT_EQ(utf8_prefix("abc", 3), "abc");
  EXPECT_EQ(utf8_prefix("abcd", 3), "abc");
}

TEST(PrintableUtf8, ReplacesControlCharactersAndWhatIsNoUtf8) {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"gr\xc3\xbc\xc3\x9f dich", "gr\xc3\xbc\xc3\x9f dich"},
      {"a\nb\x1b[31m", "a?b?[31m"},
      {"a\xc2\x9b"
       "31m",
       "a?31m"},  // U+009B starts an escape sequence
      {"a\xe2\x80\xa8"
       "b\xe2\x80\xa9",
       "a?b?"},  // line and paragraph separators
      {"\xff\xfe\xe2\x82", "????"},
      {std::string("a\0b", 3), "a?b"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(printable_utf8(text), expected);
    EXPECT_TRUE(is_printable_utf8(printable_utf8(text)));
  }
}

}  // namespace
}  // namespace mayfly
