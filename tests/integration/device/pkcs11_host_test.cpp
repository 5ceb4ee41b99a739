// Sharing a process, and the vendor's module, with a host that uses it too.
#include "integration/device/p11kit_host.h"
#include "integration/device/pkcs11_test_device.h"
#include "support/raw_module.h"

namespace mayfly::test {
namespace {

class Pkcs11HostTest : public testing::Test {
 protected:
  ~Pkcs11HostTest() override {
    if (device_ != nullptr) device_->close();
  }

  Device& open() {
    device_ = open_pkcs11_device(options_for(token_));
    return *device_;
  }

  SoftHsmToken token_;
  std::unique_ptr<Device> device_;
};

TEST_F(Pkcs11HostTest, KeysOutliveAHostThatFinalisesTheSameModule) {
  P11KitHost before(SoftHsmToken::module_path());
  Device& device = open();
  const auto scope = device.open_scope(any_owner());
  const auto key = scope->generate(kP256);
  P11KitHost after(SoftHsmToken::module_path());
  before.finalize();
  EXPECT_TRUE(signs(*key));
  after.finalize();
  EXPECT_TRUE(signs(*key));
  EXPECT_TRUE(signs(*scope->generate(kP256)));
}

TEST_F(Pkcs11HostTest, ClosingLeavesNothingBehindAndTheHostInitialised) {
  const P11KitHost host(SoftHsmToken::module_path());
  Device& device = open();
  const auto scope = device.open_scope(any_owner());
  const auto key = scope->generate(kP256);
  const auto another = scope->generate(kP256);
  device.close();
  const RawModule module(SoftHsmToken::module_path());
  EXPECT_FALSE(module.initialized_here());
  EXPECT_EQ(token_.count_sessions(), 0U);
  EXPECT_EQ(token_.count_objects(CKO_PRIVATE_KEY), 0U);
  EXPECT_EQ(token_.count_objects(CKO_PUBLIC_KEY), 0U);
}

TEST_F(Pkcs11HostTest, LogsOutOnlyIfItLoggedIn) {
  const RawModule module(SoftHsmToken::module_path());
  const RawSession session(module, module.slot_of(token_.label()));
  const auto state = [&] {
    CK_SESSION_INFO info{};
    expect_ok(module->C_GetSessionInfo(session.handle(), &info), "C_GetSessionInfo");
    return info.state;
  };
  open().close();
  EXPECT_EQ(state(), CKS_RW_PUBLIC_SESSION);

  SecretBuffer pin = token_.pin();
  expect_ok(module->C_Login(session.handle(), CKU_USER, pin.span().data(), pin.size()), "C_Login");
  open().close();
  EXPECT_EQ(state(), CKS_RW_USER_FUNCTIONS);
}

TEST_F(Pkcs11HostTest, KeysAreLostAndOthersCanBeMadeWhenAllSessionsAreClosed) {
  const RawModule module(SoftHsmToken::module_path());
  Device& device = open();
  const auto scope = device.open_scope(any_owner());
  const auto key = scope->generate(kP256);
  const auto sibling = scope->generate(kP256);
  expect_ok(module->C_CloseAllSessions(module.slot_of(token_.label())), "C_CloseAllSessions");

  EXPECT_EQ(answer_of([&] { signs(*key); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(answer_of([&] { signs(*sibling); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(answer_of([&] { (void)scope->generate(kP256); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_EQ(sibling->destroy(), Destruction::destroyed);

  // The login went with the sessions; a new owner gets it back.
  const auto fresh = device.open_scope(any_owner())->generate(kP256);
  EXPECT_TRUE(signs(*fresh));
  EXPECT_EQ(token_.count_objects(CKO_PRIVATE_KEY), 1U);
}

TEST_F(Pkcs11HostTest, KeysAreLostAndOthersCanBeMadeWhenTheHostLogsOut) {
  const RawModule module(SoftHsmToken::module_path());
  Device& device = open();
  const auto key = device.open_scope(any_owner())->generate(kP256);
  {
    const RawSession session(module, module.slot_of(token_.label()));
    expect_ok(module->C_Logout(session.handle()), "C_Logout");
  }
  EXPECT_EQ(answer_of([&] { signs(*key); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(answer_of([&] { signs(*key); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  const auto fresh = device.open_scope(any_owner())->generate(kP256);
  EXPECT_TRUE(signs(*fresh));
}

}  // namespace
}  // namespace mayfly::test
