// The vendor's functions (include/mayfly/mayfly.h).
#include <cstring>

#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

class VendorInterfaceTest : public ConformanceTest {
 protected:
  using ConformanceTest::ConformanceTest;

  CK_RV open(const char* id, CK_ULONG ttl, CK_SLOT_ID& slot) {
    const MAYFLY_TASK_REQUEST request{id, ttl, nullptr, nullptr, nullptr};
    return vendor_->MAYFLY_OpenTask(&request, &slot);
  }
  [[nodiscard]] MAYFLY_TASK_INFO info_of(CK_SLOT_ID slot) {
    MAYFLY_TASK_INFO info;
    std::memset(&info, 0xaa, sizeof info);
    EXPECT_RV(CKR_OK, vendor_->MAYFLY_TaskInfo(slot, &info));
    return info;
  }
};

TEST_F(VendorInterfaceTest, RefusesWhatIsNoTask) {
  CK_SLOT_ID slot = 0;
  const MAYFLY_TASK_REQUEST good{"good", 0, nullptr, nullptr, nullptr};
  EXPECT_RV(CKR_ARGUMENTS_BAD, vendor_->MAYFLY_OpenTask(nullptr, &slot));
  EXPECT_RV(CKR_ARGUMENTS_BAD, vendor_->MAYFLY_OpenTask(&good, nullptr));
  const std::string longest(255, 'x');
  const std::string too_long(256, 'x');
  const std::string endless(1'000'000, 'x');
  const struct {
    const char* what;
    const char* id;
    CK_ULONG ttl;
    CK_RV answer;
  } rows[] = {
      {"no ID", nullptr, 0, CKR_ARGUMENTS_BAD},
      {"an empty ID", "", 0, CKR_ARGUMENTS_BAD},
      {"the longest ID", longest.c_str(), 0, CKR_OK},
      {"an ID that is too long", too_long.c_str(), 0, CKR_ARGUMENTS_BAD},
      {"an endless ID", endless.c_str(), 0, CKR_ARGUMENTS_BAD},
      {"a line break", "a\nb", 0, CKR_ARGUMENTS_BAD},
      {"a bell", "a\x07", 0, CKR_ARGUMENTS_BAD},
      {"a delete", "a\x7f", 0, CKR_ARGUMENTS_BAD},
      {"a control character of two bytes", "a\xc2\x85", 0, CKR_ARGUMENTS_BAD},
      {"half a character", "a\xc3", 0, CKR_ARGUMENTS_BAD},
      {"an overlong character", "a\xc0\xaf", 0, CKR_ARGUMENTS_BAD},
      {"a surrogate", "a\xed\xa0\x80", 0, CKR_ARGUMENTS_BAD},
      {"a character beyond Unicode", "a\xf4\x90\x80\x80", 0, CKR_ARGUMENTS_BAD},
      {"text of all scripts", "Aufgabe für 任务 🦟", 0, CKR_OK},
      {"one second", "one second", 1, CKR_OK},
      {"a day", "a day", 86'400, CKR_OK},
      {"more than a day", "more", 86'401, CKR_ARGUMENTS_BAD},
      {"for ever", "for ever", ~0UL, CKR_ARGUMENTS_BAD},
      {"a time that wraps", "wraps", ~0UL / 1'000'000'000, CKR_ARGUMENTS_BAD},
      {"a time that wraps as signed", "wraps", 1UL << 63, CKR_ARGUMENTS_BAD},
      {"the ID of an open task", kTask, 0, CKR_FUNCTION_REJECTED},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    slot = 0;
    EXPECT_RV(row.answer, open(row.id, row.ttl, slot));
    if (row.answer == CKR_OK) {
      EXPECT_EQ(info_of(slot).task_id, std::string(row.id));
      EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(slot));
    } else {
      EXPECT_EQ(slot, 0U);
    }
  }
  EXPECT_EQ(slots().size(), 1U);
}

TEST_F(VendorInterfaceTest, TellsWhatIsKnownOfATask) {
  const CK_SLOT_ID slot = open_task("told", 100);
  MAYFLY_TASK_INFO info = info_of(slot);
  EXPECT_EQ(info.slot, slot);
  EXPECT_EQ(info.state, MAYFLY_TASK_OPEN);
  EXPECT_LE(info.seconds_left, 100U);
  EXPECT_GE(info.seconds_left, 90U);
  EXPECT_EQ(info.keys, 0U);
  CK_TOKEN_INFO token;
  ASSERT_RV(CKR_OK, p11_->C_GetTokenInfo(slot, &token));
  EXPECT_EQ(std::string(info.serial), std::string(reinterpret_cast<char*>(token.serialNumber), 16));

  const CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION, slot);
  const KeyPair pair = generate(session, kP256);
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_OK, p11_->C_CopyObject(session, pair.private_key, nullptr, 0, &copy));
  generate(session, kP384);
  EXPECT_EQ(info_of(slot).keys, 2U) << "a copy is no key";
  EXPECT_EQ(info_of(slot).state, MAYFLY_TASK_ACTIVE);
  EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, pair.private_key));
  EXPECT_EQ(info_of(slot).keys, 2U) << "it has another name";
  EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, copy));
  EXPECT_EQ(info_of(slot).keys, 1U);
  EXPECT_RV(CKR_OK, p11_->C_CloseSession(session));
  EXPECT_EQ(info_of(slot).keys, 0U);
  EXPECT_EQ(info_of(slot).state, MAYFLY_TASK_ACTIVE) << "has or had keys";

  EXPECT_RV(CKR_ARGUMENTS_BAD, vendor_->MAYFLY_TaskInfo(slot, nullptr));
  MAYFLY_TASK_INFO untouched{};
  EXPECT_RV(CKR_SLOT_ID_INVALID, vendor_->MAYFLY_TaskInfo(slot + 1'000'000, &untouched));
  EXPECT_RV(CKR_SLOT_ID_INVALID, vendor_->MAYFLY_TaskInfo(session, &untouched));
}

TEST_F(VendorInterfaceTest, GivesTheConfiguredTimeWhereNoneIsAsked) {
  const MAYFLY_TASK_INFO info = info_of(open_task("default"));
  EXPECT_LE(info.seconds_left, 900U);
  EXPECT_GE(info.seconds_left, 890U);
}

TEST_F(VendorInterfaceTest, AsksForEvidenceOfPrivateKeysOnly) {
  const KeyPair pair = generate(open_session(), kP256);
  const Bytes nonce(16, 1);
  const auto answer = [&](CK_SLOT_ID slot, CK_ULONG key, std::size_t nonce_size) {
    CK_ULONG size = 0;
    return vendor_->MAYFLY_Attest(slot, key, nonce.data(), nonce_size, nullptr, &size);
  };
  EXPECT_RV(CKR_SLOT_ID_INVALID, answer(slot_ + 1'000'000, pair.private_key, 16));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, answer(slot_, pair.public_key, 16));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, answer(slot_, pair.private_key + 1'000'000, 16));
  EXPECT_RV(CKR_ARGUMENTS_BAD, answer(slot_, pair.private_key, 7));
  CK_ULONG size = 0;
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            vendor_->MAYFLY_Attest(slot_, pair.private_key, nullptr, 16, nullptr, &size));
  EXPECT_RV(device_behind().attests() ? CKR_OK : CKR_FUNCTION_NOT_SUPPORTED,
            answer(slot_, pair.private_key, 16));
}

TEST_F(VendorInterfaceTest, NeedsAnInitialisedLibrary) {
  ASSERT_RV(CKR_OK, finalize());
  CK_SLOT_ID slot = 0;
  MAYFLY_TASK_INFO info;
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, open("task", 0, slot));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, vendor_->MAYFLY_CloseTask(slot_));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, vendor_->MAYFLY_TaskInfo(slot_, &info));
  CK_ULONG size = 0;
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED,
            vendor_->MAYFLY_Attest(slot_, 1, nullptr, 0, nullptr, &size));
}

class TaskLimitTest : public VendorInterfaceTest {
 protected:
  TaskLimitTest() : VendorInterfaceTest(Settings{.max_tasks = 4}) {}
};

TEST_F(TaskLimitTest, IsKept) {
  std::vector<CK_SLOT_ID> open_tasks;
  for (int i = 0; i < 3; ++i) open_tasks.push_back(open_task("task " + std::to_string(i)));
  CK_SLOT_ID slot = 0;
  EXPECT_RV(CKR_SESSION_COUNT, open("one more", 0, slot));
  EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(open_tasks[1]));
  EXPECT_RV(CKR_OK, open("one more", 0, slot));
}

}  // namespace
}  // namespace mayfly::test
