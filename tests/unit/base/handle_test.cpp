#include "base/handle.h"

#include <atomic>
#include <barrier>
#include <set>
#include <thread>

#include <gtest/gtest.h>

namespace mayfly {
namespace {

using Table = HandleTable<ObjectHandle, int>;

TEST(HandleTable, FindsWhatWasInsertedUntilItIsTaken) {
  Table table;
  const auto handle = next_handle<ObjectHandle>();
  EXPECT_EQ(table.find(handle), nullptr);
  table.insert(handle, std::make_shared<int>(7));
  ASSERT_NE(table.find(handle), nullptr);
  EXPECT_EQ(*table.find(handle), 7);
  EXPECT_EQ(*table.take(handle), 7);
  EXPECT_EQ(table.find(handle), nullptr);
  EXPECT_EQ(table.take(handle), nullptr);
}

TEST(HandleTable, DoesNotFindItsNeighbours) {
  Table table;
  const auto handle = next_handle<ObjectHandle>();
  table.insert(handle, std::make_shared<int>(7));
  for (CK_ULONG offset = 1; offset <= 1000; ++offset) {
    EXPECT_EQ(table.find({handle.value + offset}), nullptr);
  }
  EXPECT_EQ(table.find({CK_INVALID_HANDLE}), nullptr);
  EXPECT_EQ(table.find({~0UL}), nullptr);
}

TEST(HandleTable, WhatWasFoundOutlivesItsTable) {
  std::shared_ptr<int> item;
  {
    Table table;
    const auto handle = next_handle<ObjectHandle>();
    table.insert(handle, std::make_shared<int>(7));
    item = table.find(handle);
  }
  EXPECT_EQ(*item, 7);
}

TEST(HandleTable, OfTwoRacingTakersOneGetsTheItem) {
  static constexpr int kRounds = 2'000;
  static constexpr int kThreads = 4;
  Table table;
  std::vector<ObjectHandle> handles(kRounds);
  for (auto& handle : handles) {
    handle = next_handle<ObjectHandle>();
    table.insert(handle, std::make_shared<int>(0));
  }
  std::vector<std::atomic<int>> takers(kRounds);
  std::barrier start(kThreads);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        for (std::size_t i = 0; i < handles.size(); ++i) {
          if (table.take(handles[i]) != nullptr) takers[i].fetch_add(1);
        }
      });
    }
  }
  for (const auto& count : takers) EXPECT_EQ(count.load(), 1);
}

TEST(HandleTable, WorksFromManyThreadsAtOnce) {
  static constexpr int kThreads = 8;
  static constexpr int kRounds = 1'000;
  Table table;
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kRounds; ++i) {
          const auto handle = next_handle<ObjectHandle>();
          table.insert(handle, std::make_shared<int>(t));
          const auto found = table.find(handle);
          if (found == nullptr || *found != t) wrong.fetch_add(1);
          if (i % 2 == 0 && table.take(handle) == nullptr) wrong.fetch_add(1);
        }
      });
    }
  }
  EXPECT_EQ(wrong.load(), 0);
}

TEST(HandleValue, IsNeverZeroAndNeverGivenTwice) {
  static constexpr std::size_t kThreads = 8;
  static constexpr std::size_t kRounds = 5'000;
  std::vector<std::vector<CK_ULONG>> values(kThreads);
  {
    std::vector<std::jthread> threads;
    for (auto& own : values) {
      threads.emplace_back([&own] {
        for (std::size_t i = 0; i < kRounds; ++i) own.push_back(next_handle_value());
      });
    }
  }
  std::set<CK_ULONG> all;
  for (const auto& own : values) all.insert(own.begin(), own.end());
  EXPECT_EQ(all.size(), kThreads * kRounds);
  EXPECT_FALSE(all.contains(CK_INVALID_HANDLE));
}

TEST(HandleValue, OfOneKindIsNoneOfAnother) {
  const auto session = next_handle<SessionHandle>();
  const auto object = next_handle<ObjectHandle>();
  EXPECT_NE(session.value, object.value);
}

}  // namespace
}  // namespace mayfly
