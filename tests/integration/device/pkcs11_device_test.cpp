// Opening an HSM, and what is said when that fails. Sessions, their number, and forks.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>

#include "base/log.h"
#include "device/pkcs11/vendor_module.h"
#include "integration/device/pkcs11_test_device.h"
#include "support/raw_module.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class Pkcs11DeviceTest : public testing::Test {
 protected:
  ~Pkcs11DeviceTest() override {
    if (device_ != nullptr) device_->close();
  }

  Device& open(std::size_t max_sessions = 0) {
    auto options = options_for(token_);
    options.max_sessions = max_sessions;
    device_ = open_pkcs11_device(std::move(options));
    return *device_;
  }

  /// Opens with other options, which must fail, and leave SoftHSM2 as if nothing had been.
  CK_RV refusal_of(const Pkcs11DeviceOptions& options) {
    const CK_RV rv = answer_of([&] { (void)open_pkcs11_device(options); }, &message_);
    const RawModule module(SoftHsmToken::module_path());
    EXPECT_TRUE(module.initialized_here()) << "the module was left initialised";
    return rv;
  }

  CK_FLAGS token_flags() const {
    const RawModule module(SoftHsmToken::module_path());
    CK_TOKEN_INFO info{};
    expect_ok(module->C_GetTokenInfo(module.slot_of(token_.label()), &info), "C_GetTokenInfo");
    return info.flags;
  }

  SoftHsmToken token_;
  std::unique_ptr<Device> device_;
  std::string message_;
};

TEST_F(Pkcs11DeviceTest, ReadsTheTokensIdentity) {
  const Device& device = open();
  EXPECT_EQ(device.info().manufacturer, "SoftHSM project");
  EXPECT_EQ(device.info().model, "SoftHSM v2");
  EXPECT_EQ(device.info().serial.size(), 16U);
  EXPECT_EQ(device.info().firmware, "2.6");
  EXPECT_FALSE(device.info().hardware);
}

TEST_F(Pkcs11DeviceTest, WantsDigestsWhereverItCanSoThatMessagesNeedNotTravel) {
  const Device& device = open();
  for (const Hash hash : {Hash::sha224, Hash::sha256, Hash::sha384, Hash::sha512}) {
    for (const Scheme scheme : {Scheme::ecdsa, Scheme::rsa_pkcs1, Scheme::rsa_pss}) {
      EXPECT_EQ(device.sign_input(scheme, hash), SignInput::digest);
    }
  }
  EXPECT_EQ(device.sign_input(Scheme::ecdsa, Hash::none), SignInput::digest);
  EXPECT_EQ(device.sign_input(Scheme::rsa_pkcs1, Hash::none), SignInput::digest);
  EXPECT_EQ(device.sign_input(Scheme::eddsa, Hash::none), SignInput::message);
}

TEST_F(Pkcs11DeviceTest, FindsTheTokenByAnyOfItsAttributes) {
  token_.add_token("another");
  const std::string serial = open().info().serial;
  device_->close();
  std::string slot;
  {
    const RawModule module(SoftHsmToken::module_path());
    slot = std::to_string(module.slot_of(token_.label()));
  }
  for (const std::string& uri :
       {"pkcs11:serial=" + serial, "pkcs11:slot-id=" + slot,
        std::string(
            "pkcs11:token=mayfly-test;model=SoftHSM%20v2;manufacturer=SoftHSM%20project")}) {
    auto options = options_for(token_);
    options.token = uri;
    device_ = open_pkcs11_device(options);
    EXPECT_EQ(device_->info().serial, serial) << uri;
    device_->close();
  }
}

TEST_F(Pkcs11DeviceTest, SaysThatTheModuleIsMissing) {
  auto options = options_for(token_);
  options.module = "/nonexistent/libhsm.so";
  EXPECT_EQ(refusal_of(options), CKR_GENERAL_ERROR);
  EXPECT_THAT(message_, HasSubstr("/nonexistent/libhsm.so"));
  EXPECT_THAT(message_, HasSubstr("device.module"));
}

// A module whose file has another name than the library itself tells. p11-kit may keep it as well.
TEST_F(Pkcs11DeviceTest, AModuleThatIsGivenByItsNameAloneStaysInMemory) {
  const std::string file = MAYFLY_TPM2_PKCS11_MODULE;
  ASSERT_EQ(dlopen(file.c_str(), RTLD_NOW | RTLD_NOLOAD), nullptr) << "loaded by something else";
  const TempFolder folder;
  log::configure(log::Level::warn, folder.path() / "log");
  pkcs11::VendorModule module(file.substr(file.rfind('/') + 1));
  module.close();
  log::configure(log::Level::warn, "");
  EXPECT_EQ(read_file(folder.path() / "log"), "");
  void* const loaded = dlopen(file.c_str(), RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(loaded, nullptr);
  dlclose(loaded);
}

TEST_F(Pkcs11DeviceTest, SaysThatTheTokenIsMissingAndWhichThereAre) {
  token_.add_token("another");
  auto options = options_for(token_);
  options.token = "pkcs11:token=elsewhere";
  EXPECT_EQ(refusal_of(options), CKR_TOKEN_NOT_PRESENT);
  EXPECT_THAT(message_, HasSubstr("pkcs11:token=elsewhere"));
  EXPECT_THAT(message_, HasSubstr("\"mayfly-test\" (serial "));
  EXPECT_THAT(message_, HasSubstr("\"another\" (serial "));
}

TEST_F(Pkcs11DeviceTest, SaysThatTheUriNamesSeveralTokens) {
  token_.add_token("another");
  auto options = options_for(token_);
  options.token = "pkcs11:manufacturer=SoftHSM%20project";
  EXPECT_EQ(refusal_of(options), CKR_TOKEN_NOT_PRESENT);
  EXPECT_THAT(message_, HasSubstr("more than one token"));
  EXPECT_THAT(message_, HasSubstr("another"));
  EXPECT_THAT(message_, HasSubstr("serial="));
}

TEST_F(Pkcs11DeviceTest, SaysThatTheTokenIsNotInitialised) {
  auto options = options_for(token_);
  {
    const RawModule module(SoftHsmToken::module_path());
    options.token = "pkcs11:slot-id=" + std::to_string(module.free_slot());
  }
  EXPECT_EQ(refusal_of(options), CKR_TOKEN_NOT_PRESENT);
  EXPECT_THAT(message_, HasSubstr("not initialised"));
}

TEST_F(Pkcs11DeviceTest, RefusesUrisThatDoNotNameATokenAlone) {
  auto options = options_for(token_);
  for (const char* uri :
       {"token=mayfly-test", "pkcs11:object=key", "pkcs11:token=mayfly-test;x=y",
        "pkcs11:token=mayfly-test?pin-value=hunter2", "pkcs11:token=mayfly-test?pin-source=/pin"}) {
    options.token = uri;
    EXPECT_EQ(refusal_of(options), CKR_GENERAL_ERROR) << uri;
    EXPECT_THAT(message_, HasSubstr("device.token"));
    EXPECT_THAT(message_, Not(HasSubstr("hunter2")));
  }
}

TEST_F(Pkcs11DeviceTest, ChecksTheEnvironmentBeforeItLoadsAnything) {
  auto options = options_for(token_);
  options.environment["SOFTHSM2_CONF"] = "/elsewhere";
  EXPECT_EQ(refusal_of(options), CKR_GENERAL_ERROR);
  EXPECT_THAT(message_, HasSubstr("SOFTHSM2_CONF has another value"));
  options.environment = {{"MAYFLY_TEST_UNSET", "x"}};
  EXPECT_EQ(refusal_of(options), CKR_GENERAL_ERROR);
  EXPECT_THAT(message_, HasSubstr("MAYFLY_TEST_UNSET is not set"));
}

TEST_F(Pkcs11DeviceTest, SaysThatThePinIsWrongWithoutShowingIt) {
  auto options = options_for(token_);
  options.fetch_pin = [] { return SecretBuffer(as_bytes("wrong-pin-value")); };
  EXPECT_EQ(token_flags() & CKF_USER_PIN_COUNT_LOW, 0U);
  EXPECT_EQ(refusal_of(options), CKR_DEVICE_ERROR);
  EXPECT_THAT(message_, HasSubstr("mayfly-test"));
  EXPECT_THAT(message_, HasSubstr("device.pin-source"));
  EXPECT_THAT(message_, HasSubstr("few tries are left"));
  EXPECT_THAT(message_, Not(HasSubstr("wrong-pin-value")));
  EXPECT_NE(token_flags() & CKF_USER_PIN_COUNT_LOW, 0U);
}

TEST_F(Pkcs11DeviceTest, WantsAPinForATokenThatWantsOne) {
  auto options = options_for(token_);
  options.fetch_pin = nullptr;
  EXPECT_EQ(refusal_of(options), CKR_DEVICE_ERROR);
  EXPECT_THAT(message_, HasSubstr("set device.pin-source"));
}

TEST_F(Pkcs11DeviceTest, PassesOnWhyThePinCouldNotBeRead) {
  auto options = options_for(token_);
  options.fetch_pin = []() -> SecretBuffer { throw Error(CKR_GENERAL_ERROR, "no PIN today"); };
  EXPECT_EQ(refusal_of(options), CKR_GENERAL_ERROR);
  EXPECT_EQ(message_, "no PIN today");
}

TEST_F(Pkcs11DeviceTest, RefusesALimitOfOneSession) {
  auto options = options_for(token_);
  options.max_sessions = 1;
  EXPECT_EQ(refusal_of(options), CKR_GENERAL_ERROR);
  EXPECT_THAT(message_, HasSubstr("device.max-sessions"));
}

TEST_F(Pkcs11DeviceTest, WaitsForAnotherProcessThatStarts) {
  const int lock = ::open(token_.config_file().c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(flock(lock, LOCK_EX), 0);
  std::atomic<bool> opened{false};
  std::jthread opener([&] {
    open();
    opened = true;
  });
  // Long enough for opening, which takes some milliseconds, had it not waited.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(opened);
  close(lock);
  opener.join();
  EXPECT_TRUE(opened);
  // Nobody else is kept waiting by an open device.
  const int again = ::open(token_.config_file().c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(flock(again, LOCK_EX | LOCK_NB), 0);
  close(again);
}

TEST_F(Pkcs11DeviceTest, GoesOnWithoutALockFile) {
  auto options = options_for(token_);
  options.start_lock = token_.folder() / "missing";
  device_ = open_pkcs11_device(options);
  EXPECT_TRUE(device_->health().reachable);
}

TEST_F(Pkcs11DeviceTest, HoldsASessionOnlyWhileThereIsAKeyInIt) {
  Device& device = open();
  const std::size_t idle = token_.count_sessions();
  EXPECT_EQ(idle, 1U);
  const auto scope = device.open_scope(any_owner());
  EXPECT_EQ(token_.count_sessions(), idle);
  const auto first = scope->generate(kP256);
  const auto second = scope->generate(kP256);
  EXPECT_EQ(token_.count_sessions(), idle + 1);
  EXPECT_EQ(token_.count_objects(CKO_PUBLIC_KEY), 2U);
  EXPECT_EQ(first->destroy(), Destruction::destroyed);
  EXPECT_EQ(token_.count_sessions(), idle + 1);
  EXPECT_EQ(token_.count_objects(CKO_PUBLIC_KEY), 1U);
  EXPECT_EQ(second->destroy(), Destruction::destroyed);
  EXPECT_EQ(token_.count_sessions(), idle);
  EXPECT_EQ(token_.count_objects(CKO_PUBLIC_KEY), 0U);
  const auto third = scope->generate(kP256);
  EXPECT_TRUE(signs(*third));
}

TEST_F(Pkcs11DeviceTest, NeverOpensMoreSessionsThanItMay) {
  constexpr std::size_t kLimit = 4;
  Device& device = open(kLimit);
  std::vector<std::unique_ptr<DeviceKey>> keys;
  for (int i = 0; i < 10; ++i) keys.push_back(device.open_scope(any_owner())->generate(kP256));
  EXPECT_EQ(token_.count_sessions(), kLimit);
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (unsigned i = 0; i < 50; ++i) EXPECT_TRUE(signs(*keys[(t + i) % keys.size()]));
      });
    }
  }
  EXPECT_EQ(token_.count_sessions(), kLimit);
  for (const auto& key : keys) EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_EQ(token_.count_sessions(), 1U);
}

TEST_F(Pkcs11DeviceTest, KeepsASessionForSigningWithTheSmallestLimit) {
  Device& device = open(2);
  const auto first = device.open_scope(any_owner())->generate(kP256);
  const auto second = device.open_scope(any_owner())->generate(kP256);
  EXPECT_EQ(token_.count_sessions(), 2U);
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (unsigned i = 0; i < 50; ++i) EXPECT_TRUE(signs(i % 2 == 0 ? *first : *second));
    });
  }
}

/// The exit status of a child that runs an action.
int status_of_child(const std::function<void()>& action) {
  const pid_t child = fork();
  if (child == 0) {
    action();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST_F(Pkcs11DeviceTest, IsNotUsedByAForkedChild) {
  Device& device = open();
  auto scope = device.open_scope(any_owner());
  auto key = scope->generate(kP256);
  const std::size_t sessions = token_.count_sessions();
  EXPECT_EQ(status_of_child([&] {
              EXPECT_EQ(answer_of([&] { signs(*key); }), CKR_DEVICE_REMOVED);
              EXPECT_EQ(answer_of([&] { (void)scope->generate(kP256); }), CKR_DEVICE_REMOVED);
              EXPECT_EQ(key->destroy(), Destruction::pending);
              key.reset();
              scope.reset();
              EXPECT_EQ(device_->retry_pending(), 0U);
              EXPECT_FALSE(device_->health().reachable);
              device_->close();
              device_.reset();
              // SoftHSM2's state is copied by fork: all of it must still be as it was.
              EXPECT_EQ(token_.count_sessions(), sessions);
              EXPECT_EQ(token_.count_objects(CKO_PRIVATE_KEY), 1U);
            }),
            0);
  EXPECT_TRUE(signs(*key));
}

TEST_F(Pkcs11DeviceTest, LeavesTheDeviceAloneWhenDroppedWithoutClose) {
  const RawModule module(SoftHsmToken::module_path());
  open();
  auto key = device_->open_scope(any_owner())->generate(kP256);
  const std::size_t sessions = token_.count_sessions();
  device_.reset();
  key.reset();
  EXPECT_EQ(token_.count_sessions(), sessions);
  EXPECT_EQ(token_.count_objects(CKO_PRIVATE_KEY), 1U);
  module->C_CloseAllSessions(module.slot_of(token_.label()));
}

}  // namespace
}  // namespace mayfly::test
