#include "credential/verify/replay_cache.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sys/stat.h>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temp_folder.h"
#include "unit/credential/sample.h"

namespace mayfly::test {
namespace {

using namespace credential;

std::string name(int number) { return replay_name("thumbprint", std::to_string(number)); }

TEST(ReplayName, KeysAreNotInEachOthersWay) {
  EXPECT_EQ(name(1), name(1));
  EXPECT_NE(name(1), name(2));
  EXPECT_NE(replay_name("a", "1"), replay_name("b", "1"));
  EXPECT_NE(replay_name("a", "b 1"), replay_name("a b", "1") + "x");
}

class ReplayCaches : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] std::unique_ptr<ReplayCache> make(std::size_t most = 1000) const {
    if (GetParam()) return std::make_unique<MemoryReplayCache>(most);
    return std::make_unique<FileReplayCache>((folder_.path() / "seen").string(), most);
  }

  TempFolder folder_;
};

TEST_P(ReplayCaches, EachIsFirstOnceUntilItHasEnded) {
  const auto cache = make();
  EXPECT_TRUE(cache->is_first(name(1), kNow + 60, kNow));
  EXPECT_FALSE(cache->is_first(name(1), kNow + 60, kNow));
  EXPECT_TRUE(cache->is_first(name(2), kNow + 10, kNow));
  EXPECT_FALSE(cache->is_first(name(1), kNow + 90, kNow + 60));
  EXPECT_TRUE(cache->is_first(name(1), kNow + 90, kNow + 61));
  EXPECT_FALSE(cache->is_first(name(1), kNow + 90, kNow + 61));
}

TEST_P(ReplayCaches, AClockThatIsSetBackBringsNothingBack) {
  const auto cache = make();
  EXPECT_TRUE(cache->is_first(name(1), kNow + 60, kNow));
  EXPECT_TRUE(cache->is_first(name(2), kNow + 160, kNow + 100)) << "the first one is forgotten";
  EXPECT_THROW(static_cast<void>(cache->is_first(name(1), kNow + 60, kNow + 30)), Error);
  EXPECT_THROW(static_cast<void>(cache->is_first(name(3), kNow + 90, kNow + 30)), Error);
  EXPECT_FALSE(cache->is_first(name(2), kNow + 160, kNow + 99));
  // What holds for longer than what may have been forgotten was not.
  EXPECT_TRUE(cache->is_first(name(4), kNow + 101, kNow + 99));
  EXPECT_FALSE(cache->is_first(name(4), kNow + 101, kNow + 30));
  EXPECT_TRUE(cache->is_first(name(5), kNow + 101, kNow + 30));
  EXPECT_THROW(static_cast<void>(cache->is_first(name(1), kNow + 60, kNow + 30)), Error);
  EXPECT_TRUE(cache->is_first(name(3), kNow + 161, kNow + 101));
}

TEST_P(ReplayCaches, AreFullForAsLongAsNothingHasEnded) {
  const auto cache = make(2);
  EXPECT_TRUE(cache->is_first(name(1), kNow + 60, kNow));
  EXPECT_TRUE(cache->is_first(name(2), kNow + 80, kNow));
  EXPECT_THROW(static_cast<void>(cache->is_first(name(3), kNow + 60, kNow)), Error);
  EXPECT_FALSE(cache->is_first(name(1), kNow + 60, kNow));
  EXPECT_TRUE(cache->is_first(name(3), kNow + 90, kNow + 61));
  EXPECT_FALSE(cache->is_first(name(3), kNow + 90, kNow + 61));
  EXPECT_THROW(static_cast<void>(cache->is_first(name(4), kNow + 90, kNow + 61)), Error);
}

TEST_P(ReplayCaches, OfManyThatAskAtOnceOneIsFirst) {
  const auto cache = make();
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> first = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        if (cache->is_first(name(round), kNow + 60, kNow)) ++first;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(first, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(InMemoryAndInAFile, ReplayCaches, testing::Bool(),
                         [](const auto& instance) {
                           return instance.param ? "InMemory" : "InAFile";
                         });

TEST(FileReplayCache, IsSharedAndDoesNotGrowWithWhatHasEnded) {
  const TempFolder folder;
  const std::string path = (folder.path() / "seen").string();
  EXPECT_TRUE(FileReplayCache(path).is_first(name(1), kNow + 60, kNow));
  EXPECT_FALSE(FileReplayCache(path).is_first(name(1), kNow + 60, kNow));
  const auto size = std::filesystem::file_size(path);
  for (int i = 2; i < 50; ++i) {
    EXPECT_TRUE(FileReplayCache(path).is_first(name(i),
                                               kNow + 60 + static_cast<std::uint64_t>(i) * 100,
                                               kNow + static_cast<std::uint64_t>(i) * 100));
  }
  EXPECT_EQ(std::filesystem::file_size(path), size);
}

TEST(FileReplayCache, WhatAKilledWriterLeftIsNoLine) {
  const TempFolder folder;
  const std::string path = (folder.path() / "seen").string();
  EXPECT_TRUE(FileReplayCache(path).is_first(name(1), kNow + 60, kNow));
  std::ofstream(path, std::ios::app) << name(2).substr(0, 30);
  EXPECT_FALSE(FileReplayCache(path).is_first(name(1), kNow + 60, kNow));
  EXPECT_TRUE(FileReplayCache(path).is_first(name(2), kNow + 60, kNow));
  EXPECT_FALSE(FileReplayCache(path).is_first(name(2), kNow + 60, kNow));
}

TEST(FileReplayCache, AnyOtherFileIsRefusedAndLeftAlone) {
  const TempFolder folder;
  const std::string path = (folder.path() / "other").string();
  std::ofstream(path) << std::string(200, 'x');
  EXPECT_THROW(static_cast<void>(FileReplayCache(path).is_first(name(1), kNow + 60, kNow)), Error);
  EXPECT_EQ(std::filesystem::file_size(path), 200U);
  const std::string shared = (folder.path() / "shared").string();
  std::ofstream(shared).close();
  for (const int mode : {0666, 0644, 0640}) {  // who can read it can lock it for ever
    std::filesystem::permissions(shared, std::filesystem::perms(mode));
    EXPECT_THROW(static_cast<void>(FileReplayCache(shared).is_first(name(1), kNow + 60, kNow)),
                 Error);
  }
  const std::string pipe = (folder.path() / "pipe").string();
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(static_cast<void>(FileReplayCache(pipe).is_first(name(1), kNow + 60, kNow)), Error);
  EXPECT_THROW(static_cast<void>(FileReplayCache((folder.path() / "no" / "folder").string())
                                     .is_first(name(1), kNow + 60, kNow)),
               Error);
  const std::string link = (folder.path() / "link").string();
  std::filesystem::create_symlink(path, link);
  EXPECT_THROW(static_cast<void>(FileReplayCache(link).is_first(name(1), kNow + 60, kNow)), Error);
}

}  // namespace
}  // namespace mayfly::test
