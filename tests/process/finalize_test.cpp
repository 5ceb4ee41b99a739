// C_Finalize while other threads are inside of calls of every kind: they end with a proper answer,
// soon, and nothing is left on the device.
#include <gtest/gtest.h>

#include "process/life.h"
#include "support/raw_module.h"

namespace mayfly::test {
namespace {

/// The process itself has the device initialised all the while, so that what mayfly leaves on it
/// can be seen.
class FinalizeTest : public LifeTest {
 protected:
  void SetUp() override {
    static_cast<void>(device_token());  // is made while nobody uses the device
    host_ = std::make_unique<RawModule>(SoftHsmToken::module_path());
    LifeTest::SetUp();
  }
  void TearDown() override {
    LifeTest::TearDown();
    host_.reset();
  }

  /// Lets six threads do something until they are told that the library is finalised, finalises
  /// under them, and looks that they heard nothing else but `allowed`.
  void finalise_under(const std::function<CK_RV(int)>& act, const std::set<CK_RV>& allowed) {
    std::atomic<CK_RV> unexpected{CKR_OK};
    std::atomic<unsigned> good{0};
    Crowd crowd(6, [&](int i) {
      const CK_RV rv = act(i);
      if (rv == CKR_CRYPTOKI_NOT_INITIALIZED) return false;
      if (rv == CKR_OK) ++good;
      if (rv != CKR_OK && !allowed.contains(rv)) unexpected = rv;
      return true;
    });
    while (good < 6 && unexpected == CKR_OK && !allowed.contains(CKR_OK)) {
      std::this_thread::yield();
    }
    EXPECT_RV(CKR_OK, finalize());
    crowd.wait();
    EXPECT_RV(CKR_OK, unexpected.load());
    EXPECT_EQ(device_keys(), 0U) << "a key outlived C_Finalize";
    EXPECT_EQ(device_token().count_sessions(), 0U) << "a device session outlived C_Finalize";
    ASSERT_RV(CKR_OK, initialize(kTask));
    slot_ = only_slot();
  }

  std::unique_ptr<RawModule> host_;
};

TEST_F(FinalizeTest, ComesWhileKeysAreMade) {
  for (int round = 0; round < repetitions(50); ++round) {
    std::vector<CK_SESSION_HANDLE> sessions(6);
    for (CK_SESSION_HANDLE& session : sessions) session = open_session();
    finalise_under(
        [&](int i) {
          Template curve = kP256.public_template();
          CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
          KeyPair pair;
          return p11_->C_GenerateKeyPair(sessions[static_cast<std::size_t>(i)], &mechanism,
                                         curve.data(), curve.size(), nullptr, 0, &pair.public_key,
                                         &pair.private_key);
        },
        {});
  }
}

TEST_F(FinalizeTest, ComesWhileObjectsAreSearchedAndCopied) {
  for (int round = 0; round < repetitions(50); ++round) {
    std::vector<CK_SESSION_HANDLE> sessions(6);
    for (CK_SESSION_HANDLE& session : sessions) session = open_session();
    const KeyPair pair = generate(sessions[0], kP256);
    finalise_under(
        [&](int i) {
          const CK_SESSION_HANDLE session = sessions[static_cast<std::size_t>(i)];
          CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
          CK_RV rv = p11_->C_CopyObject(session, pair.private_key, nullptr, 0, &copy);
          if (rv != CKR_OK) return rv;
          std::array<CK_OBJECT_HANDLE, 8> found;
          CK_ULONG count = 0;
          rv = p11_->C_FindObjectsInit(session, nullptr, 0);
          if (rv == CKR_OK) rv = p11_->C_FindObjects(session, found.data(), found.size(), &count);
          if (rv == CKR_OK) rv = p11_->C_FindObjectsFinal(session);
          return rv == CKR_OK ? p11_->C_DestroyObject(session, copy) : rv;
        },
        {});
  }
}

TEST_F(FinalizeTest, ComesWhileSessionsAndTasksComeAndGo) {
  for (int round = 0; round < repetitions(50); ++round) {
    finalise_under(
        [&](int i) {
          const std::string id = "task " + std::to_string(i);
          const MAYFLY_TASK_REQUEST request{id.c_str(), 0, nullptr, nullptr, nullptr};
          CK_SLOT_ID slot = 0;
          CK_RV rv = vendor_->MAYFLY_OpenTask(&request, &slot);
          if (rv != CKR_OK) return rv;
          CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
          rv = p11_->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session);
          if (rv == CKR_OK) rv = p11_->C_CloseSession(session);
          return rv == CKR_OK ? vendor_->MAYFLY_CloseTask(slot) : rv;
        },
        {});
  }
}

TEST_F(FinalizeTest, WakesThoseWhoWaitForASlotEvent) {
  for (int round = 0; round < repetitions(50); ++round) {
    std::atomic<int> waiting{0};
    finalise_under(
        [&](int) {
          CK_SLOT_ID slot = 0;
          ++waiting;
          return p11_->C_WaitForSlotEvent(0, &slot, nullptr);
        },
        {CKR_OK});
    EXPECT_GE(waiting, 6);
  }
}

}  // namespace
}  // namespace mayfly::test
