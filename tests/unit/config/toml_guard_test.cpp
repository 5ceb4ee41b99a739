// What the TOML reader must not see is told from what it may.
#include "config/toml_guard.h"

#include <gtest/gtest.h>

namespace mayfly {
namespace {

std::size_t line_of_obstacle(const std::string& text) {
  const auto obstacle = find_toml_obstacle(text);
  return obstacle ? obstacle->line : 0;
}

TEST(TomlGuard, LettersMayStandInTextsAndComments) {
  for (const char* good : {"a = \"\u00e4\"", "a = '\u00e4'", "# \u00e4", "a = 1 # '\u00e4",
                           "a = \"\"\"\n\u00e4\n\"\"\"", "a = '''\n\u00e4'\u00e4'''",
                           R"(a = "\"ä")", R"(a = """\\ä""")", "\xef\xbb\xbf'a' = 1",
                           "\"\u00e4\" = 1", R"(a = ["ä",'ä', { b."ä" = 1 } ])"}) {
    EXPECT_EQ(line_of_obstacle(good), 0U) << good;
  }
}

TEST(TomlGuard, LettersElsewhereAreRefusedWithTheirLine) {
  EXPECT_EQ(line_of_obstacle("\u00e4 = 1"), 1U);
  EXPECT_EQ(line_of_obstacle("a = 1\n\nb = \u00e4"), 3U);
  EXPECT_EQ(line_of_obstacle("a = '''\n\n'''\n\u00e4"), 4U);
  EXPECT_EQ(line_of_obstacle("a = -\"\u00e4\""), 1U);     // no text begins in a word
  EXPECT_EQ(line_of_obstacle("a = 'b\n\u00e4 = 1"), 2U);  // and none goes on behind its line
  EXPECT_EQ(line_of_obstacle("a = \"\"\"b\\\n \u00e4\"\"\""), 2U);  // blanks are left out there
}

TEST(TomlGuard, KeysOfTooManyPartsAreRefused) {
  std::string key = "a";
  for (int i = 0; i < 512; ++i) key += ".a";
  EXPECT_EQ(line_of_obstacle(key + " = 1"), 0U);
  EXPECT_EQ(line_of_obstacle(key + ".a = 1"), 1U);
  EXPECT_EQ(line_of_obstacle("[" + key + "]\na.a = 1"), 2U);
  EXPECT_EQ(line_of_obstacle("# " + key + key + "\nb = '" + key + key + "'"), 0U);
}

}  // namespace
}  // namespace mayfly
