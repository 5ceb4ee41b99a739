#include "core/session_key.h"

#include <thread>

#include <gtest/gtest.h>

#include "base/error.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

TEST(SessionKey, DestructionWaitsForSignaturesUnderWayAndLetsNoNewOneIn) {
  test::FakeDeviceState state;
  SessionKey key(std::make_unique<test::FakeKey>(state));
  std::atomic<bool> stop{false};
  std::atomic<int> refused{0};
  std::vector<std::jthread> signers;
  std::array<std::uint8_t, 64> out;
  for (int i = 0; i < 4; ++i) {
    signers.emplace_back([&] {
      std::array<std::uint8_t, 64> room;
      while (!stop) {
        try {
          SessionKey::Use use(key);
          use.sign({}, room);
        } catch (const Error& error) {
          EXPECT_EQ(error.rv(), CKR_OPERATION_NOT_INITIALIZED);
          ++refused;
        }
      }
    });
  }
  while (state.signing == 0) std::this_thread::yield();
  EXPECT_EQ(key.destroy(), Destruction::destroyed);
  EXPECT_EQ(state.living, 0);
  const int before = refused;
  while (refused < before + 100) std::this_thread::yield();
  stop = true;
  signers.clear();
  EXPECT_EQ(state.signed_while_dead, 0);
  EXPECT_THROW(SessionKey::Use(key).sign({}, out), Error);
}

TEST(SessionKey, AllThatDestroyItHearTheSameAnswer) {
  test::FakeDeviceState state;
  state.refuse_destruction = true;
  SessionKey key(std::make_unique<test::FakeKey>(state));
  std::vector<std::jthread> threads;
  std::atomic<int> pending{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { pending += key.destroy() == Destruction::pending; });
  }
  threads.clear();
  EXPECT_EQ(pending, 8);
}

TEST(SessionKey, LivesAsLongAsAnObjectNamesIt) {
  test::FakeDeviceState state;
  SessionKey key(std::make_unique<test::FakeKey>(state));
  EXPECT_TRUE(key.add_name());
  EXPECT_FALSE(key.drop_name());
  EXPECT_TRUE(key.drop_name());
  EXPECT_FALSE(key.add_name());
  key.destroy();
}

}  // namespace
}  // namespace mayfly
