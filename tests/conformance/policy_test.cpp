// A task under a policy: what it leaves out is not listed and does not work, and what it counts is
// exact.
#include <algorithm>
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

class PolicyTest : public ConformanceTest {
 protected:
  explicit PolicyTest(const char* policy) : ConformanceTest({.policy = policy}) {}

  [[nodiscard]] bool lists(CK_MECHANISM_TYPE type) {
    CK_ULONG count = 0;
    EXPECT_RV(CKR_OK, p11_->C_GetMechanismList(slot_, nullptr, &count));
    std::vector<CK_MECHANISM_TYPE> all(count);
    EXPECT_RV(CKR_OK, p11_->C_GetMechanismList(slot_, all.data(), &count));
    const bool listed = std::find(all.begin(), all.end(), type) != all.end();
    CK_MECHANISM_INFO info;
    EXPECT_RV(listed ? CKR_OK : CKR_MECHANISM_INVALID,
              p11_->C_GetMechanismInfo(slot_, type, &info));
    return listed;
  }

  CK_RV ecdsa(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
    Bytes signature;
    return sign(session, key, CKM_ECDSA, Bytes(32, 7), signature);
  }
};

class NarrowPolicyTest : public PolicyTest {
 protected:
  NarrowPolicyTest()
      : PolicyTest(
            "mechanisms = [\"CKM_ECDSA\", \"CKM_SHA256_RSA_PKCS\"]\n"
            "keys = [\"EC P-256\"]\n") {}
};

TEST_F(NarrowPolicyTest, ListsWhatIsLeft) {
  EXPECT_TRUE(lists(CKM_ECDSA));
  EXPECT_TRUE(lists(CKM_EC_KEY_PAIR_GEN));
  EXPECT_TRUE(lists(CKM_SHA256));
  EXPECT_FALSE(lists(CKM_ECDSA_SHA256)) << "no mechanism of the policy";
  EXPECT_FALSE(lists(CKM_SHA256_RSA_PKCS)) << "allowed, but no RSA keys are";
  EXPECT_FALSE(lists(CKM_RSA_PKCS_KEY_PAIR_GEN));
  CK_MECHANISM_INFO info;
  EXPECT_RV(CKR_OK, p11_->C_GetMechanismInfo(slot_, CKM_EC_KEY_PAIR_GEN, &info));
  EXPECT_EQ(info.ulMinKeySize, 256U);
  EXPECT_EQ(info.ulMaxKeySize, 256U);
}

TEST_F(NarrowPolicyTest, RefusesWhatIsNotListed) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256);
  EXPECT_RV(CKR_OK, ecdsa(session, pair.private_key));
  CK_MECHANISM hashing{CKM_ECDSA_SHA256, nullptr, 0};
  EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_SignInit(session, &hashing, pair.private_key));
  EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_MessageSignInit(session, &hashing, pair.private_key));
  EXPECT_RV(CKR_MECHANISM_INVALID, p11_->C_VerifyInit(session, &hashing, pair.public_key));
  KeyPair other;
  EXPECT_RV(CKR_CURVE_NOT_SUPPORTED, try_generate(session, kP384, {}, {}, other));
  EXPECT_RV(CKR_MECHANISM_INVALID, try_generate(session, kRsa2048, {}, {}, other));
  EXPECT_EQ(device_keys(), 2U);
}

class FewKeysTest : public PolicyTest {
 protected:
  FewKeysTest() : PolicyTest("max-keys = 2\n") {}
};

TEST_F(FewKeysTest, AreCountedInTheTasksWholeLife) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair first = generate(session, kP256);
  EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, first.private_key));
  const KeyPair second = generate(session, kP256);
  KeyPair third;
  EXPECT_RV(CKR_DEVICE_MEMORY, try_generate(session, kP256, {}, {}, third));
  EXPECT_RV(CKR_OK, ecdsa(session, second.private_key));
}

class FewSignaturesTest : public PolicyTest {
 protected:
  FewSignaturesTest() : PolicyTest("max-signatures = 2\n") {}
};

TEST_F(FewSignaturesTest, EndTheTaskWithTheLast) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  Bytes digest(32, 7);
  Bytes signature(64);
  CK_ULONG size = 0;
  // What is no signature does not count.
  ASSERT_RV(CKR_OK, p11_->C_SignInit(session, &mechanism, pair.private_key));
  EXPECT_RV(CKR_OK, p11_->C_Sign(session, digest.data(), digest.size(), nullptr, &size));
  size = 63;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            p11_->C_Sign(session, digest.data(), digest.size(), signature.data(), &size));
  EXPECT_RV(CKR_OK, p11_->C_Sign(session, digest.data(), digest.size(), signature.data(), &size));
  ASSERT_RV(CKR_OK, p11_->C_VerifyInit(session, &mechanism, pair.public_key));
  EXPECT_RV(CKR_OK, p11_->C_Verify(session, digest.data(), digest.size(), signature.data(), size));
  ASSERT_RV(CKR_OK, p11_->C_SignInit(session, &mechanism, pair.private_key));
  EXPECT_RV(CKR_OK, p11_->C_SessionCancel(session, CKF_SIGN));

  Bytes last;
  EXPECT_RV(CKR_OK, sign(session, pair.private_key, CKM_ECDSA, digest, last));
  EXPECT_EQ(last.size(), 64U) << "the last one reaches its caller";
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, ecdsa(session, pair.private_key));
  EXPECT_EQ(device_keys(), 0U);
  EXPECT_TRUE(slots().empty());
  EXPECT_NE(log_text().find("exhausted"), std::string::npos);
}

class ManySignaturesTest : public PolicyTest {
 protected:
  static constexpr int kMost = 100;
  ManySignaturesTest() : PolicyTest("max-signatures = 100\n") {}
};

// No helper of the fixture is used in the threads.
TEST_F(ManySignaturesTest, AreExactAmongSixteenThreads) {
  const CK_OBJECT_HANDLE key =
      generate(open_session(), kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}}).private_key;
  std::vector<CK_SESSION_HANDLE> sessions;
  for (int i = 0; i < 16; ++i) sessions.push_back(open_session());
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (const CK_SESSION_HANDLE session : sessions) {
    threads.emplace_back([this, session, key, &good] {
      Bytes digest(32, 7);
      Bytes signature(64);
      CK_RV rv = CKR_OK;
      // Some may be refused before the last of all is counted.
      while (rv == CKR_OK || rv == CKR_FUNCTION_REJECTED) {
        CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
        CK_ULONG size = signature.size();
        rv = p11_->C_SignInit(session, &mechanism, key);
        if (rv != CKR_OK) continue;
        rv = p11_->C_Sign(session, digest.data(), digest.size(), signature.data(), &size);
        if (rv == CKR_OK) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, kMost);
  EXPECT_EQ(device_keys(), 0U);
  EXPECT_NE(log_text().find("exhausted"), std::string::npos);
}

class SlowTest : public PolicyTest {
 protected:
  SlowTest() : PolicyTest("max-rate = 1\n") {}
};

TEST_F(SlowTest, RefusesForTheMomentOnly) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256);
  CK_RV rv = CKR_OK;
  for (int asked = 0; asked < 10'000 && rv == CKR_OK; ++asked) {
    rv = ecdsa(session, pair.private_key);
  }
  EXPECT_RV(CKR_FUNCTION_FAILED, rv);
  while ((rv = ecdsa(session, pair.private_key)) == CKR_FUNCTION_FAILED) std::this_thread::yield();
  EXPECT_RV(CKR_OK, rv);
}

class ShortLifeTest : public PolicyTest {
 protected:
  ShortLifeTest() : PolicyTest("max-ttl = \"1m\"\n") {}
};

TEST_F(ShortLifeTest, IsTheLongestThereIs) {
  MAYFLY_TASK_INFO info{};
  EXPECT_RV(CKR_OK, vendor_->MAYFLY_TaskInfo(slot_, &info));
  EXPECT_LE(info.seconds_left, 60U);
}

}  // namespace
}  // namespace mayfly::test
