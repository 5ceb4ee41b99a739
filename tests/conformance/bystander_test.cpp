// A host that uses the same device for itself, in the same process: mayfly destroys its own keys,
// and nothing else.
#include <chrono>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "conformance/fixture.h"
#include "support/raw_module.h"

namespace mayfly::test {
namespace {

/// The host has the device initialised before mayfly and after it, with a login, a session, a
/// session key and a stored key. Since the device outlives mayfly here, what mayfly leaves on it
/// can be seen.
class BystanderTest : public ConformanceTest {
 protected:
  using ConformanceTest::ConformanceTest;

  void SetUp() override {
    static_cast<void>(device_token());  // is made while nobody uses the device
    host_ = std::make_unique<RawModule>(SoftHsmToken::module_path());
    host_session_ = std::make_unique<RawSession>(*host_, host_->slot_of(device_token().label()));
    SecretBuffer pin = device_token().pin();
    ASSERT_RV(CKR_OK,
              (*host_)->C_Login(host_session_->handle(), CKU_USER, pin.span().data(), pin.size()));
    session_key_ = make_host_key(false);
    stored_key_ = make_host_key(true);
    ASSERT_EQ(device_keys(), kHostObjects);
    ConformanceTest::SetUp();
  }

  void TearDown() override {
    CK_INFO info;
    if (p11_ != nullptr && p11_->C_GetInfo(&info) == CKR_OK) {
      EXPECT_RV(CKR_OK, finalize());
    }
    expect_only_the_hosts();
    for (const CK_OBJECT_HANDLE object : {session_key_.public_key, session_key_.private_key,
                                          stored_key_.public_key, stored_key_.private_key}) {
      EXPECT_RV(CKR_OK, (*host_)->C_DestroyObject(host_session_->handle(), object));
    }
    host_session_.reset();
    host_.reset();
  }

  static constexpr std::size_t kHostObjects = 4;

  KeyPair make_host_key(bool stored) {
    CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
    Template public_template = kP256.public_template();
    public_template.append({{CKA_TOKEN, stored}, {CKA_LABEL, "the host's"}});
    Template private_template({{CKA_TOKEN, stored}, {CKA_SIGN, true}, {CKA_LABEL, "the host's"}});
    KeyPair pair;
    EXPECT_RV(CKR_OK, (*host_)->C_GenerateKeyPair(host_session_->handle(), &mechanism,
                                                  public_template.data(), public_template.size(),
                                                  private_template.data(), private_template.size(),
                                                  &pair.public_key, &pair.private_key));
    return pair;
  }

  CK_RV host_signs(CK_OBJECT_HANDLE key) {
    CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
    Bytes digest(32, 1);
    Bytes signature(64);
    CK_ULONG size = signature.size();
    const CK_RV rv = (*host_)->C_SignInit(host_session_->handle(), &mechanism, key);
    return rv != CKR_OK ? rv
                        : (*host_)->C_Sign(host_session_->handle(), digest.data(), digest.size(),
                                           signature.data(), &size);
  }

  void expect_only_the_hosts() {
    EXPECT_EQ(device_keys(), kHostObjects);
    EXPECT_RV(CKR_OK, host_signs(session_key_.private_key));
    EXPECT_RV(CKR_OK, host_signs(stored_key_.private_key));
  }

  std::unique_ptr<RawModule> host_;
  std::unique_ptr<RawSession> host_session_;
  KeyPair session_key_;
  KeyPair stored_key_;
};

TEST_F(BystanderTest, IsLeftAloneByEveryWayInWhichKeysEnd) {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  KeyPair pair;
  const struct {
    const char* what;
    std::function<void()> end;
  } ways[] = {
      {"C_DestroyObject",
       [&] {
         EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, pair.private_key));
         EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, pair.public_key));
       }},
      {"C_CloseSession", [&] { EXPECT_RV(CKR_OK, p11_->C_CloseSession(session)); }},
      {"C_CloseAllSessions", [&] { EXPECT_RV(CKR_OK, p11_->C_CloseAllSessions(slot_)); }},
      {"C_Logout",
       [&] {
         EXPECT_RV(CKR_OK, log_in(session));
         EXPECT_RV(CKR_OK, p11_->C_Logout(session));
       }},
      {"MAYFLY_CloseTask",
       [&] {
         EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(slot_));
         slot_ = open_task(kTask);
       }},
      {"C_Finalize",
       [&] {
         EXPECT_RV(CKR_OK, finalize());
         expect_only_the_hosts();
         EXPECT_RV(CKR_OK, initialize(kTask));
         slot_ = only_slot();
       }},
  };
  for (const auto& way : ways) {
    SCOPED_TRACE(way.what);
    session = open_session();
    pair = generate(session, kP256);
    EXPECT_RV(CKR_OK, sign_answer(session, pair.private_key, kP256));
    EXPECT_EQ(device_keys(), kHostObjects + 2);
    way.end();
    expect_only_the_hosts();
    static_cast<void>(p11_->C_CloseAllSessions(slot_));
  }
}

// The device is not initialised anew by mayfly here, so its C_Finalize has to destroy by itself.
TEST_F(BystanderTest, KeepsNothingOfAClientThatLeavesInTheMiddle) {
  const CK_SESSION_HANDLE session = open_session();
  generate(session, kP256, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
  generate(session, kEd25519);
  generate(open_session(0), kP384);
  generate(open_session(CKF_RW_SESSION, open_task("second")), kP256);
  EXPECT_EQ(device_keys(), kHostObjects + 8);
  const std::size_t sessions = 1;  // the host's
  EXPECT_RV(CKR_OK, finalize());
  EXPECT_EQ(device_token().count_sessions(), sessions);
}

// What is on the device beside a task's keys is none of the task's business.
TEST_F(BystanderTest, IsNotSeenThroughATask) {
  const CK_SESSION_HANDLE session = open_session();
  EXPECT_TRUE(find(session, {{CKA_LABEL, "the host's"}}).empty());
  EXPECT_TRUE(find(session, {{CKA_CLASS, CKO_PRIVATE_KEY}}).empty());
  EXPECT_TRUE(find(session, {{CKA_CLASS, CKO_PUBLIC_KEY}}).empty());
  for (const CK_OBJECT_HANDLE theirs : {session_key_.private_key, stored_key_.private_key}) {
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, sign_answer(session, theirs, kP256));
  }
}

}  // namespace
}  // namespace mayfly::test
