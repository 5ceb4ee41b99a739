#include "config/suggestion.h"

#include <gtest/gtest.h>

namespace mayfly {
namespace {

TEST(EditDistance, CountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("abc", "abc"), 0u);
  EXPECT_EQ(edit_distance("abc", "axc"), 1u);
  EXPECT_EQ(edit_distance("abc", "abcd"), 1u);
  EXPECT_EQ(edit_distance("bc", "abc"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("flaw", "lawn"), 2u);
}

TEST(LikelySlip, GrowsWithTheWord) {
  EXPECT_TRUE(is_likely_slip("tll", 2));
  EXPECT_FALSE(is_likely_slip("tll", 3));
  EXPECT_TRUE(is_likely_slip("runtime-folders", 5));
  EXPECT_FALSE(is_likely_slip("runtime-folders", 6));
}

}  // namespace
}  // namespace mayfly
