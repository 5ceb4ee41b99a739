// Many lives in one process: nothing grows, nothing is left.
#include <malloc.h>

#include <gtest/gtest.h>

#include "process/life.h"

namespace mayfly::test {
namespace {

using RepetitionTest = LifeTest;

/// Bytes that the heap has given out and not got back.
std::size_t heap_in_use() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST_F(RepetitionTest, AThousandLivesLeaveNothing) {
  ASSERT_RV(CKR_OK, finalize());
  const int lives = repetitions(1000);
  for (int i = 0; i < 20; ++i) {
    begin_life("warm-up");
    ASSERT_RV(CKR_OK, finalize());
  }
  const std::size_t descriptors = open_descriptors();
  const std::size_t threads_before = threads();
  const std::size_t heap = heap_in_use();
  for (int i = 0; i < lives; ++i) {
    begin_life("life " + std::to_string(i));
    ASSERT_RV(CKR_OK, finalize()) << "life " << i;
    ASSERT_FALSE(HasFailure()) << "life " << i;
  }
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_EQ(threads(), threads_before);
  // Freed memory that the heap keeps for later counts as given out, some 100 KB of it. What this
  // finds is an object forgotten in each life; what is lost for good, a sanitizer finds.
  const std::size_t grown = heap_in_use() - std::min(heap, heap_in_use());
  EXPECT_LE(grown, 128U * 1024 + static_cast<std::size_t>(lives) * 192);
  EXPECT_EQ(device_keys(), 0U);
}

}  // namespace
}  // namespace mayfly::test
