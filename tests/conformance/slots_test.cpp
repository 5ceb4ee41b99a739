// Slots and tokens: what they are called, which there are, and the events when they come and go.
#include <atomic>
#include <cstring>
#include <regex>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "conformance/fixture.h"
#include "conformance/process.h"

namespace mayfly::test {
namespace {

template <std::size_t kSize>
std::string text(const CK_UTF8CHAR (&field)[kSize]) {
  return std::string(reinterpret_cast<const char*>(field), kSize);
}

/// A field's text without its blanks; the test fails if zeros or no blanks fill it.
template <std::size_t kSize>
std::string unpadded(const CK_UTF8CHAR (&field)[kSize]) {
  const std::string whole = text(field);
  EXPECT_EQ(whole.find('\0'), std::string::npos) << "padded with zeros";
  return whole.substr(0, whole.find_last_not_of(' ') + 1);
}

class SlotTest : public ConformanceTest {
 protected:
  [[nodiscard]] CK_TOKEN_INFO token_info(CK_SLOT_ID slot) {
    CK_TOKEN_INFO info;
    std::memset(&info, 0xaa, sizeof info);
    EXPECT_RV(CKR_OK, p11_->C_GetTokenInfo(slot, &info));
    return info;
  }
  [[nodiscard]] std::string label_of(const std::string& task) {
    start_task(task);
    const std::string label = text(token_info(slot_).label);
    EXPECT_RV(CKR_OK, end_task());
    return label;
  }
};

TEST_F(SlotTest, TellsOfTheSlot) {
  CK_SLOT_INFO info;
  std::memset(&info, 0xaa, sizeof info);
  ASSERT_RV(CKR_OK, p11_->C_GetSlotInfo(slot_, &info));
  EXPECT_FALSE(unpadded(info.slotDescription).empty());
  EXPECT_EQ(unpadded(info.manufacturerID), "mayfly");
  EXPECT_EQ(info.flags, CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE);
}

TEST_F(SlotTest, TellsOfTheToken) {
  const CK_TOKEN_INFO info = token_info(slot_);
  EXPECT_EQ(unpadded(info.label), kTask);
  EXPECT_EQ(unpadded(info.manufacturerID), "mayfly");
  EXPECT_FALSE(unpadded(info.model).empty());
  EXPECT_TRUE(std::regex_match(unpadded(info.serialNumber), std::regex("[0-9a-f]{16}")));
  EXPECT_NE(info.flags & CKF_TOKEN_INITIALIZED, 0U);
  EXPECT_NE(info.flags & CKF_RNG, 0U);
  EXPECT_EQ(info.flags & (CKF_WRITE_PROTECTED | CKF_PROTECTED_AUTHENTICATION_PATH |
                          CKF_CLOCK_ON_TOKEN | CKF_ERROR_STATE),
            0U);
  EXPECT_EQ(info.ulMaxSessionCount, settings_.max_sessions);
  EXPECT_EQ(info.ulMaxRwSessionCount, settings_.max_sessions);
  EXPECT_EQ(info.ulFreePrivateMemory, CK_UNAVAILABLE_INFORMATION);
  EXPECT_LE(info.ulMinPinLen, info.ulMaxPinLen);
  EXPECT_EQ(unpadded(info.utcTime).find('\xaa'), std::string::npos) << "not written at all";
}

// The label has 32 bytes: an ID is cut there, but never within a character.
TEST_F(SlotTest, CutsTheLabelBetweenCharacters) {
  const std::string thirty(30, 'x');
  const struct {
    std::string id;
    std::string label;
  } rows[] = {
      {"a", "a" + std::string(31, ' ')},
      {thirty + "yz", thirty + "yz"},
      {thirty + "yzmore", thirty + "yz"},
      {thirty + "ü", thirty + "ü"},
      {thirty + "aü", thirty + "a "},
      {thirty + "€", thirty + "  "},
      {thirty.substr(2) + "𝄞𝄞", thirty.substr(2) + "𝄞"},
      {thirty + "𝄞", thirty + "  "},
      {std::string(255, 'z'), std::string(32, 'z')},
      {"with = \"signs\"; and, 'quotes'", "with = \"signs\"; and, 'quotes'   "},
  };
  for (const auto& row : rows) EXPECT_EQ(label_of(row.id), row.label) << row.id;
}

TEST_F(SlotTest, GivesEachTokenASerialNumberOfItsOwn) {
  std::set<std::string> serials;
  for (int i = 0; i < 200; ++i) {
    const CK_SLOT_ID slot = open_task("task " + std::to_string(i));
    serials.insert(text(token_info(slot).serialNumber));
    if (i % 2 != 0) continue;
    EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(slot));
  }
  EXPECT_EQ(serials.size(), 200U);
}

TEST_F(SlotTest, ListsSlotsAsTheyComeAndGo) {
  EXPECT_EQ(slots(), std::vector{slot_});
  const CK_SLOT_ID second = open_task("second");
  const CK_SLOT_ID third = open_task("third");
  EXPECT_EQ(slots(), (std::vector{slot_, second, third}));
  EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(second));
  EXPECT_EQ(slots(), (std::vector{slot_, third}));
  const CK_SLOT_ID fourth = open_task("second");
  EXPECT_NE(fourth, second) << "a slot number came back";
  // With and without tokens the list is the same: a slot is there as long as its token.
  CK_ULONG with = 0;
  CK_ULONG without = 0;
  EXPECT_RV(CKR_OK, p11_->C_GetSlotList(CK_TRUE, nullptr, &with));
  EXPECT_RV(CKR_OK, p11_->C_GetSlotList(CK_FALSE, nullptr, &without));
  EXPECT_EQ(with, without);
}

class SlotEventTest : public SlotTest {
 protected:
  /// What CKF_DONT_BLOCK answers, and the slot if there was an event.
  std::pair<CK_RV, CK_SLOT_ID> next() {
    CK_SLOT_ID slot = 0;
    const CK_RV rv = p11_->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, nullptr);
    return {rv, rv == CKR_OK ? slot : 0};
  }
  void drain() {
    while (next().first == CKR_OK) {
    }
  }
  /// The slots of all events that are there.
  std::set<CK_SLOT_ID> drained() {
    std::set<CK_SLOT_ID> all;
    for (auto event = next(); event.first == CKR_OK; event = next()) all.insert(event.second);
    return all;
  }
};

// "When an application initially calls C_Initialize, every slot's event flag is cleared." (5.5.4)
TEST_F(SlotEventTest, BeginsWithoutEvents) { EXPECT_RV(CKR_NO_EVENT, next().first); }

TEST_F(SlotEventTest, TellsOfTokensThatComeAndGo) {
  drain();
  const CK_SLOT_ID second = open_task("second");
  const CK_SLOT_ID third = open_task("third");
  EXPECT_EQ(drained(), (std::set{second, third}));
  EXPECT_RV(CKR_NO_EVENT, next().first);
  EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(second));
  EXPECT_EQ(next(), (std::pair{CKR_OK, second}));
  EXPECT_RV(CKR_NO_EVENT, next().first);
  CK_SLOT_INFO info;
  EXPECT_RV(CKR_OK, p11_->C_GetSlotInfo(second, &info)) << "the slot of an event must be valid";
  EXPECT_EQ(info.flags & CKF_TOKEN_PRESENT, 0U);
}

// Each slot has one flag (5.5.4): a token that came and went before anybody asked is one event.
TEST_F(SlotEventTest, KeepsOneEventForEachSlot) {
  drain();
  const CK_SLOT_ID second = open_task("second");
  EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(second));
  EXPECT_EQ(next(), (std::pair{CKR_OK, second}));
  EXPECT_RV(CKR_NO_EVENT, next().first);
}

TEST_F(SlotEventTest, TellsOfADeadline) {
  drain();
  const CK_SLOT_ID second = open_task("second", 1);
  drain();
  // Nobody calls anything while the deadline comes: the wait itself must notice.
  CK_SLOT_ID slot = 0;
  EXPECT_RV(CKR_OK, p11_->C_WaitForSlotEvent(0, &slot, nullptr));
  EXPECT_EQ(slot, second);
}

TEST_F(SlotEventTest, WakesAWaiter) {
  drain();
  CK_SLOT_ID seen = 0;
  CK_RV rv = CKR_GENERAL_ERROR;
  std::atomic<pid_t> waiting{0};
  std::thread waiter([&] {
    waiting = gettid();
    rv = p11_->C_WaitForSlotEvent(0, &seen, nullptr);
  });
  while (waiting == 0) std::this_thread::yield();
  await_sleep(waiting);
  const CK_SLOT_ID second = open_task("second");
  waiter.join();
  EXPECT_RV(CKR_OK, rv);
  EXPECT_EQ(seen, second);
}

// The one case of a call under way at C_Finalize that the standard defines.
TEST_F(SlotEventTest, LetsWaitersGoWhenItIsFinalised) {
  drain();
  std::atomic<pid_t> waiting{0};
  CK_RV rv = CKR_OK;
  std::thread waiter([&] {
    CK_SLOT_ID slot = 0;
    waiting = gettid();
    rv = p11_->C_WaitForSlotEvent(0, &slot, nullptr);
  });
  while (waiting == 0) std::this_thread::yield();
  await_sleep(waiting);
  EXPECT_RV(CKR_OK, finalize());
  waiter.join();
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, rv);
}

TEST_F(SlotEventTest, RefusesAReservedPointer) {
  CK_SLOT_ID slot = 0;
  CK_ULONG something = 0;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, &something));
}

// Nobody asks for a long time: events are not collected without bound, and none that still matters
// gets lost.
TEST_F(SlotEventTest, SurvivesManyEventsThatNobodyAskedFor) {
  drain();
  for (int i = 0; i < 5000; ++i) {
    const CK_SLOT_ID slot = open_task("short");
    EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(slot));
  }
  const CK_SLOT_ID last = open_task("last");
  const auto all = drained();
  EXPECT_TRUE(all.contains(last)) << "the event of an open slot is lost";
}

}  // namespace
}  // namespace mayfly::test
