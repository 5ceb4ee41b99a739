#include "core/rate_limit.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/task_policy.h"

namespace mayfly {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Time = BootClock::time_point;

const Time kStart{seconds(1'000)};

int take_all(RateLimit& limit, Time now) {
  int taken = 0;
  while (limit.take(now)) ++taken;
  return taken;
}

TEST(RateLimit, LetsASecondsWorthThroughAtOnceAndThenAsItComesIn) {
  RateLimit limit(10);
  EXPECT_EQ(take_all(limit, kStart), 10);
  EXPECT_EQ(take_all(limit, kStart + milliseconds(99)), 0);
  EXPECT_EQ(take_all(limit, kStart + milliseconds(100)), 1);
  EXPECT_EQ(take_all(limit, kStart + milliseconds(450)), 3);
  EXPECT_EQ(take_all(limit, kStart + seconds(3'600)), 10)
      << "a rest saves up no more than a second";
}

TEST(RateLimit, KeepsItsRateInTheLongRun) {
  for (const std::uint64_t rate : {1U, 3U, 7U, 999U, 1'000'000U}) {
    RateLimit limit(rate);
    std::uint64_t taken = 0;
    constexpr int kSteps = 1'000;  // over ten seconds
    for (int i = 0; i <= kSteps; ++i) {
      while (limit.take(kStart + milliseconds(10) * i)) ++taken;
    }
    EXPECT_LE(taken, 11 * rate) << rate;
    EXPECT_GE(taken + rate / 100 + 1, 11 * rate) << rate;
  }
}

TEST(RateLimit, OfNothingAllowsNothingAndWithoutOneNothingIsRefused) {
  RateLimit nothing(0);
  EXPECT_FALSE(nothing.take(kStart));
  EXPECT_FALSE(nothing.take());
  RateLimit none(TaskPolicy::kNoLimit);
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(none.take());
}

TEST(RateLimit, IsExactAmongThreads) {
  RateLimit limit(5'000);
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] { taken += take_all(limit, kStart); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 5'000);
}

}  // namespace
}  // namespace mayfly
