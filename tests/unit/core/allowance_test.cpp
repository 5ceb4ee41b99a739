#include "core/allowance.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace mayfly {
namespace {

TEST(Allowance, IsTakenSoManyTimesAndNoMore) {
  Allowance allowance(2);
  EXPECT_TRUE(allowance.take());
  EXPECT_TRUE(allowance.take());
  EXPECT_FALSE(allowance.take());
  allowance.give_back();
  EXPECT_TRUE(allowance.take());
  EXPECT_FALSE(allowance.take());
  EXPECT_FALSE(allowance.spend());
  EXPECT_TRUE(allowance.spend()) << "that was the last";
  EXPECT_FALSE(allowance.take());
}

TEST(Allowance, OfNothingAllowsNothing) {
  Allowance allowance(0);
  EXPECT_FALSE(allowance.take());
}

TEST(Allowance, WithoutALimitNeverEnds) {
  Allowance allowance(TaskPolicy::kNoLimit);
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_TRUE(allowance.take());
    EXPECT_FALSE(allowance.spend());
  }
}

// Every third one comes to nothing. What was spent is exact, and one thread learns of the last.
TEST(Allowance, IsExactAmongThreads) {
  constexpr std::uint64_t kMost = 10'000;
  constexpr int kThreads = 16;
  Allowance allowance(kMost);
  std::atomic<std::uint64_t> spent{0};
  std::atomic<int> lasts{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, turn = i]() mutable {
      while (spent < kMost) {
        if (!allowance.take()) continue;
        if (turn++ % 3 == 0) {
          allowance.give_back();
          continue;
        }
        ++spent;
        if (allowance.spend()) ++lasts;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(spent, kMost);
  EXPECT_EQ(lasts, 1);
  EXPECT_FALSE(allowance.take());
}

}  // namespace
}  // namespace mayfly
