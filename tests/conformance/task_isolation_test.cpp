// Two tasks in one process: what belongs to one can't be seen, found, counted or used through the
// other.
#include <functional>

#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

class TaskIsolationTest : public ConformanceTest {
 protected:
  /// A task as its client has it: a session, a key of the session and one of the token.
  struct Side {
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session;
    KeyPair mine;
    KeyPair stored;

    [[nodiscard]] std::vector<CK_OBJECT_HANDLE> objects() const {
      return {mine.public_key, mine.private_key, stored.public_key, stored.private_key};
    }
  };

  void SetUp() override {
    ConformanceTest::SetUp();
    sides_ = {make_side(slot_), make_side(open_task("second"))};
  }

  Side make_side(CK_SLOT_ID slot) {
    Side side{slot, open_session(CKF_RW_SESSION, slot), {}, {}};
    const Template label({{CKA_LABEL, "the same label"}, {CKA_ID, Bytes{1}}});
    Template on_token = label;
    on_token.add({CKA_TOKEN, true});
    side.mine = generate(side.session, kP256, label, label);
    side.stored = generate(side.session, kP256, on_token, on_token);
    return side;
  }

  /// Calls `judge(one, other)` for both directions.
  template <typename Judge>
  void both_ways(Judge judge) {
    {
      SCOPED_TRACE("from the first to the second");
      judge(sides_[0], sides_[1]);
    }
    SCOPED_TRACE("from the second to the first");
    judge(sides_[1], sides_[0]);
  }

  /// Nothing can be done with an object of another task, by any function that takes a handle.
  void expect_useless(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    CK_MECHANISM ecdsa{CKM_ECDSA_SHA256, nullptr, 0};
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    CK_ULONG size = 0;
    Template label({{CKA_LABEL, "mine now"}});
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, get_answer(session, object, CKA_CLASS));
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID,
              p11_->C_SetAttributeValue(session, object, label.data(), label.size()));
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, p11_->C_CopyObject(session, object, nullptr, 0, &made));
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, p11_->C_DestroyObject(session, object));
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, p11_->C_GetObjectSize(session, object, &size));
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, p11_->C_SignInit(session, &ecdsa, object));
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, p11_->C_VerifyInit(session, &ecdsa, object));
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, p11_->C_MessageSignInit(session, &ecdsa, object));
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, p11_->C_MessageVerifyInit(session, &ecdsa, object));
  }

  std::vector<Side> sides_;
};

TEST_F(TaskIsolationTest, NothingCanBeDoneWithTheOthersHandles) {
  both_ways([&](const Side& own, const Side& other) {
    for (const CK_OBJECT_HANDLE object : other.objects()) expect_useless(own.session, object);
    for (const CK_OBJECT_HANDLE object : other.objects()) {
      EXPECT_RV(CKR_OK, get_answer(other.session, object, CKA_CLASS)) << "it was harmed";
    }
    EXPECT_RV(CKR_OK, sign_answer(other.session, other.mine.private_key, kP256));
    EXPECT_RV(CKR_OK, sign_answer(other.session, other.stored.private_key, kP256));
  });
}

TEST_F(TaskIsolationTest, NothingOfTheOtherIsFound) {
  both_ways([&](const Side& own, const Side& other) {
    const auto theirs = other.objects();
    for (const Template& wanted :
         {Template(), Template({{CKA_LABEL, "the same label"}}), Template({{CKA_ID, Bytes{1}}}),
          Template({{CKA_CLASS, CKO_PRIVATE_KEY}}), Template({{CKA_TOKEN, true}})}) {
      for (const CK_OBJECT_HANDLE found : find(own.session, wanted)) {
        EXPECT_EQ(std::find(theirs.begin(), theirs.end(), found), theirs.end());
      }
    }
    EXPECT_EQ(find(own.session, {{CKA_LABEL, "the same label"}}).size(), 4U);
    const Bytes point = get(other.session, other.stored.public_key, CKA_EC_POINT).value();
    EXPECT_TRUE(find(own.session, {{CKA_EC_POINT, point}}).empty());
    const Bytes unique = get(other.session, other.stored.private_key, CKA_UNIQUE_ID).value();
    EXPECT_TRUE(find(own.session, {{CKA_UNIQUE_ID, unique}}).empty());
    const Bytes task = get(other.session, other.stored.private_key, CKA_MAYFLY_TASK_ID).value();
    EXPECT_TRUE(find(own.session, {{CKA_MAYFLY_TASK_ID, task}}).empty());
  });
}

// Every number near the handles that exist, tried through the other task's session: what answers is
// the task's own, and all of it.
TEST_F(TaskIsolationTest, GuessingHandlesFindsNothing) {
  constexpr CK_ULONG kReach = 10'000;
  CK_ULONG lowest = ~0UL;
  CK_ULONG highest = 0;
  for (const Side& side : sides_) {
    for (const CK_OBJECT_HANDLE object : side.objects()) {
      lowest = std::min(lowest, object);
      highest = std::max(highest, object);
    }
  }
  const CK_ULONG first = lowest > kReach ? lowest - kReach : 0;
  both_ways([&](const Side& own, const Side&) {
    std::vector<CK_OBJECT_HANDLE> answered;
    CK_MECHANISM ecdsa{CKM_ECDSA_SHA256, nullptr, 0};
    for (CK_ULONG guess = first; guess <= highest + kReach; ++guess) {
      if (get_answer(own.session, guess, CKA_CLASS) == CKR_OK) answered.push_back(guess);
      if (p11_->C_SignInit(own.session, &ecdsa, guess) == CKR_OK) {
        EXPECT_TRUE(guess == own.mine.private_key || guess == own.stored.private_key) << guess;
        EXPECT_RV(CKR_OK, p11_->C_SessionCancel(own.session, CKF_SIGN));
      }
    }
    auto expected = own.objects();
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(answered, expected);
  });
}

TEST_F(TaskIsolationTest, ClosingSessionsLeavesTheOtherAlone) {
  both_ways([&](const Side& own, const Side& other) {
    CK_SESSION_HANDLE extra = open_session(CKF_RW_SESSION, own.slot);
    EXPECT_RV(CKR_OK, p11_->C_CloseSession(extra));
    CK_TOKEN_INFO info;
    EXPECT_RV(CKR_OK, p11_->C_GetTokenInfo(own.slot, &info));
    EXPECT_EQ(info.ulSessionCount, 1U) << "the other task's sessions are counted";
    EXPECT_RV(CKR_OK, sign_answer(other.session, other.mine.private_key, kP256));
  });
  EXPECT_RV(CKR_OK, p11_->C_CloseAllSessions(sides_[0].slot));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            sign_answer(sides_[0].session, sides_[0].stored.private_key, kP256));
  EXPECT_RV(CKR_OK, sign_answer(sides_[1].session, sides_[1].mine.private_key, kP256));
  EXPECT_EQ(device_keys(), 6U);
}

// The end of one task is the end of its keys, and of nothing else.
TEST_F(TaskIsolationTest, EndingOneKeepsTheOther) {
  const Side first = sides_[0];
  const Side second = sides_[1];
  EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(first.slot));
  EXPECT_EQ(device_keys(), 4U);
  for (const CK_OBJECT_HANDLE object : second.objects()) {
    EXPECT_RV(CKR_OK, get_answer(second.session, object, CKA_CLASS));
  }
  EXPECT_RV(CKR_OK, sign_answer(second.session, second.mine.private_key, kP256));
  for (const CK_OBJECT_HANDLE object : first.objects()) expect_useless(second.session, object);
  EXPECT_EQ(slots(), std::vector{second.slot});
}

// Everything that can be asked of a task that has ended.
TEST_F(TaskIsolationTest, AnEndedTaskAnswersNothing) {
  const Side ended = sides_[0];
  EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(ended.slot));
  EXPECT_RV(CKR_SLOT_ID_INVALID, vendor_->MAYFLY_CloseTask(ended.slot));
  MAYFLY_TASK_INFO task_info;
  EXPECT_RV(CKR_SLOT_ID_INVALID, vendor_->MAYFLY_TaskInfo(ended.slot, &task_info));

  CK_TOKEN_INFO token;
  CK_MECHANISM_INFO mechanism;
  CK_ULONG count = 0;
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11_->C_GetTokenInfo(ended.slot, &token));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11_->C_GetMechanismList(ended.slot, nullptr, &count));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11_->C_GetMechanismInfo(ended.slot, CKM_ECDSA, &mechanism));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT,
            p11_->C_OpenSession(ended.slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session));
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11_->C_CloseAllSessions(ended.slot));
  CK_SLOT_INFO slot_info;
  ASSERT_RV(CKR_OK, p11_->C_GetSlotInfo(ended.slot, &slot_info)) << "its slot is remembered";
  EXPECT_EQ(slot_info.flags & CKF_TOKEN_PRESENT, 0U);
  EXPECT_NE(slot_info.flags & CKF_REMOVABLE_DEVICE, 0U);

  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11_->C_CloseSession(ended.session));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            sign_answer(ended.session, ended.stored.private_key, kP256));
  CK_SESSION_INFO info;
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11_->C_GetSessionInfo(ended.session, &info));
}

// The same ID may be used again; it is another task, with another token, and none of the old keys.
TEST_F(TaskIsolationTest, ANewTaskOfTheSameNameIsAnotherTask) {
  CK_TOKEN_INFO before;
  ASSERT_RV(CKR_OK, p11_->C_GetTokenInfo(sides_[1].slot, &before));
  EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(sides_[1].slot));
  const CK_SLOT_ID slot = open_task("second");
  EXPECT_NE(slot, sides_[1].slot);
  CK_TOKEN_INFO after;
  ASSERT_RV(CKR_OK, p11_->C_GetTokenInfo(slot, &after));
  EXPECT_NE(Bytes(before.serialNumber, before.serialNumber + 16),
            Bytes(after.serialNumber, after.serialNumber + 16));
  const CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION, slot);
  EXPECT_TRUE(find(session, {{CKA_LABEL, "the same label"}}).empty());
  for (const CK_OBJECT_HANDLE object : sides_[1].objects()) expect_useless(session, object);
}

}  // namespace
}  // namespace mayfly::test
