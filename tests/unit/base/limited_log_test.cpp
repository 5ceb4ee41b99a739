#include "base/limited_log.h"

#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/temp_folder.h"

namespace mayfly {
namespace {

using log::Level;
using log::LimitedLog;
using testing::EndsWith;
using testing::HasSubstr;

class LimitedLogTest : public testing::Test {
 protected:
  LimitedLogTest() { log::configure(Level::warn, file()); }
  ~LimitedLogTest() override { log::configure(Level::warn, ""); }

  [[nodiscard]] std::string file() const { return folder_.path() / "log"; }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> result;
    std::istringstream stream(test::read_file(file()));
    for (std::string line; std::getline(stream, line);) result.push_back(line);
    return result;
  }

  test::TempFolder folder_;
  LimitedLog limited_;
};

TEST_F(LimitedLogTest, ABurstIsWrittenInFull) {
  for (int i = 0; i < LimitedLog::kBurst; ++i) {
    limited_.warn([&] { return "line " + std::to_string(i); });
  }
  const auto written = lines();
  ASSERT_EQ(written.size(), static_cast<std::size_t>(LimitedLog::kBurst));
  EXPECT_THAT(written.back(), EndsWith(": line 99"));
}

TEST_F(LimitedLogTest, OfAMillionLinesFromManyThreadsFewAreWrittenAndTheRestIsCounted) {
  static constexpr int kThreads = 4;
  static constexpr int kEach = 250'000;
  const auto start = std::chrono::steady_clock::now();
  std::atomic<int> made{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) {
        limited_.warn([&] {
          ++made;
          return std::string("refused");
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Then a line is written again within a second or so, and says how many were not.
  const std::size_t before = lines().size();
  int more = 0;
  while (lines().size() == before) {
    limited_.warn([] { return std::string("refused"); });
    ++more;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start);
  const auto written = lines();
  EXPECT_GE(written.size(), static_cast<std::size_t>(LimitedLog::kBurst));
  EXPECT_LE(written.size(), static_cast<std::size_t>(LimitedLog::kBurst + seconds.count() + 2));
  // A line that is left out is not made either.
  EXPECT_LE(static_cast<std::size_t>(made), written.size());
  std::size_t counted = written.size();
  for (const std::string& line : written) {
    const std::size_t at = line.find(" (");
    if (at != std::string::npos) counted += std::stoul(line.substr(at + 2));
  }
  EXPECT_EQ(counted, static_cast<std::size_t>(kThreads * kEach + more));
  EXPECT_THAT(written.back(), HasSubstr("lines like this were left out before)"));
}

TEST_F(LimitedLogTest, WhatIsBelowTheLevelCostsNothingOfTheBurst) {
  for (int i = 0; i < 1000; ++i) limited_.write(Level::info, [] { return std::string("quiet"); });
  limited_.warn([] { return std::string("loud"); });
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_THAT(lines().front(), EndsWith(": loud"));
}

}  // namespace
}  // namespace mayfly
