// Everything at once, for a few seconds; tools/soak does it for longer.
#include "races/race.h"

#include <iostream>

#include <gtest/gtest.h>

#include "conformance/process.h"

namespace mayfly::test {
namespace {

TEST(RaceTest, NoPromiseBreaksWhateverEndsUnderWhomever) {
  RaceReport report;
  run_race({.time = std::chrono::seconds(kSanitized ? 8 : 5), .seed = 2}, report);
  std::cout << report.summary();
  EXPECT_TRUE(report.violations().empty());
  EXPECT_EQ(report.survivors, 0U);
  EXPECT_EQ(report.foreign_losses, 0U);
  // It was a race, and not an empty stadium.
  EXPECT_GT(report.signatures, 0U);
  EXPECT_GT(report.closed, 0U);
  EXPECT_GT(report.expired, 0U);
  EXPECT_GT(report.finalised, 0U);
  EXPECT_GT(report.logouts, 0U);
  EXPECT_GT(report.strangers_tried, 0U);
  EXPECT_GT(report.looks_at_device, 0U);
}

}  // namespace
}  // namespace mayfly::test
