// Devices that fail, lie, or have wishes of their own: SoftHSM2 behind a module that does so on
// demand.
#include <dlfcn.h>
#include <thread>

#include <gmock/gmock.h>

#include "integration/device/pkcs11_test_device.h"
#include "support/faulty_module.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;

class Pkcs11FaultTest : public testing::Test {
 protected:
  Pkcs11FaultTest() : library_(dlopen(MAYFLY_FAULTY_MODULE, RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) throw std::runtime_error(dlerror());
    faults_ = static_cast<FaultyModule*>(dlsym(library_, "faulty_module"));
    faults_->reset();
    options_ = options_for(token_);
    options_.module = MAYFLY_FAULTY_MODULE;
  }
  ~Pkcs11FaultTest() override {
    if (device_ != nullptr) device_->close();
    device_.reset();
    dlclose(library_);
  }

  Device& open() {
    device_ = open_pkcs11_device(options_);
    return *device_;
  }

  std::unique_ptr<DeviceKey> new_key() { return device_->open_scope(any_owner())->generate(kP256); }

  unsigned calls(Call call) { return (*faults_)[call].calls; }
  std::size_t keys_on_device() { return token_.count_objects(CKO_PRIVATE_KEY); }

  SoftHsmToken token_;
  void* library_;
  FaultyModule* faults_;
  Pkcs11DeviceOptions options_;
  std::unique_ptr<Device> device_;
  std::string message_;
};

TEST_F(Pkcs11FaultTest, SignsWithExactlyTwoCalls) {
  open();
  const auto key = new_key();
  const unsigned inits = calls(Call::sign_init);
  const unsigned signs_before = calls(Call::sign);
  const unsigned opened = calls(Call::open_session);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(signs(*key));
  EXPECT_EQ(calls(Call::sign_init), inits + 10);
  EXPECT_EQ(calls(Call::sign), signs_before + 10);
  EXPECT_EQ(calls(Call::open_session), opened);
}

TEST_F(Pkcs11FaultTest, TriesAWrongPinOnce) {
  faults_->fail(Call::login, CKR_PIN_INCORRECT, FaultyModule::kAlways);
  EXPECT_EQ(answer_of([&] { open(); }), CKR_DEVICE_ERROR);
  EXPECT_EQ(calls(Call::login), 1U);
  EXPECT_EQ(faults_->open_sessions, 0U);
}

TEST_F(Pkcs11FaultTest, NeverTriesAPinAgainThatWasRefusedLater) {
  open();
  faults_->fail(Call::login, CKR_PIN_INCORRECT, FaultyModule::kAlways);
  faults_->fail(Call::generate_key_pair, CKR_USER_NOT_LOGGED_IN, FaultyModule::kAlways);
  const unsigned before = calls(Call::login);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(answer_of([&] { new_key(); }), CKR_DEVICE_ERROR);
  EXPECT_EQ(calls(Call::login), before + 1);
}

TEST_F(Pkcs11FaultTest, GivesEverythingBackWhenOpeningFailsHalfWay) {
  faults_->fail(Call::open_session, CKR_DEVICE_ERROR);
  EXPECT_EQ(answer_of([&] { open(); }), CKR_DEVICE_ERROR);
  faults_->fail(Call::open_session, CKR_SESSION_COUNT);
  EXPECT_EQ(answer_of([&] { open(); }), CKR_SESSION_COUNT);
  EXPECT_EQ(faults_->open_sessions, 0U);
  EXPECT_TRUE(open().health().reachable);
}

class Lies : public Pkcs11FaultTest, public testing::WithParamInterface<CK_ATTRIBUTE_TYPE> {};

TEST_P(Lies, AKeyIsDestroyedWhenTheDeviceSaysWhatItMustNot) {
  Device& device = open();
  const auto scope = device.open_scope(any_owner());
  const auto honest = scope->generate(kP256);
  faults_->lie_about = GetParam();
  const KeySpec spec = GetParam() == CKA_EC_POINT ? kP256 : KeySpec{CKK_RSA, 2048};
  EXPECT_EQ(answer_of([&] { (void)scope->generate(spec); }, &message_), CKR_DEVICE_ERROR);
  EXPECT_THAT(message_, HasSubstr("destroyed"));
  EXPECT_EQ(keys_on_device(), 1U);

  faults_->lie_size = CK_UNAVAILABLE_INFORMATION;
  EXPECT_EQ(answer_of([&] { (void)scope->generate(spec); }), CKR_DEVICE_ERROR);
  faults_->lie_size = 100'000;
  EXPECT_EQ(answer_of([&] { (void)scope->generate(spec); }), CKR_DEVICE_ERROR);
  EXPECT_EQ(keys_on_device(), 1U);
  EXPECT_TRUE(signs(*honest));
}

INSTANTIATE_TEST_SUITE_P(Attributes, Lies,
                         testing::Values(CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE, CKA_EXTRACTABLE,
                                         CKA_NEVER_EXTRACTABLE, CKA_LOCAL, CKA_TOKEN, CKA_EC_POINT,
                                         CKA_PUBLIC_EXPONENT));

TEST_F(Pkcs11FaultTest, AKeyThatCanNotBeInspectedIsDestroyed) {
  open();
  for (unsigned spared = 0; spared < 2; ++spared) {
    const auto scope = device_->open_scope(any_owner());
    if (spared == 0) {
      faults_->fail(Call::get_attribute_value, CKR_ATTRIBUTE_TYPE_INVALID);
    } else {
      faults_->lie_about = CKA_MODULUS;
      faults_->lie_size = 1;
    }
    EXPECT_EQ(answer_of([&] { (void)scope->generate({CKK_RSA, 2048}); }), CKR_DEVICE_ERROR);
    EXPECT_EQ(keys_on_device(), 0U);
  }
}

TEST_F(Pkcs11FaultTest, AKeyThatCanNotBeDestroyedIsOwedUntilItIs) {
  Device& device = open();
  const auto scope = device.open_scope(any_owner());
  const auto kept = scope->generate(kP256);
  const auto key = scope->generate(kP256);
  faults_->fail(Call::destroy_object, CKR_DEVICE_ERROR, 3);
  EXPECT_EQ(key->destroy(), Destruction::pending);
  EXPECT_EQ(key->destroy(), Destruction::pending);
  EXPECT_EQ(device.health().pending, 1U);
  EXPECT_EQ(keys_on_device(), 2U);
  EXPECT_EQ(device.retry_pending(), 1U);
  EXPECT_EQ(device.retry_pending(), 1U);
  EXPECT_EQ(key->destroy(), Destruction::pending);
  EXPECT_EQ(device.retry_pending(), 0U);
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_EQ(keys_on_device(), 1U);
  EXPECT_TRUE(signs(*kept));
}

TEST_F(Pkcs11FaultTest, ClosingTheSessionDestroysAKeyThatWouldNotGoAlone) {
  open();
  const auto key = new_key();
  faults_->fail(Call::destroy_object, CKR_FUNCTION_FAILED, FaultyModule::kAlways);
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_EQ(keys_on_device(), 0U);
}

TEST_F(Pkcs11FaultTest, AnUnreachableDeviceIsNotReportedAsDestroyed) {
  Device& device = open();
  const auto scope = device.open_scope(any_owner());
  const auto key = scope->generate(kP256);
  const auto sibling = scope->generate(kP256);
  faults_->fail(Call::sign_init, CKR_DEVICE_REMOVED);
  EXPECT_EQ(answer_of([&] { signs(*key); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(answer_of([&] { signs(*key); }), CKR_DEVICE_REMOVED) << "a lost key came back";
  EXPECT_EQ(answer_of([&] { signs(*sibling); }), CKR_DEVICE_REMOVED);

  faults_->fail(Call::destroy_object, CKR_DEVICE_REMOVED, FaultyModule::kAlways);
  faults_->fail(Call::close_session, CKR_DEVICE_REMOVED, FaultyModule::kAlways);
  faults_->fail(Call::get_token_info, CKR_DEVICE_REMOVED, FaultyModule::kAlways);
  EXPECT_EQ(key->destroy(), Destruction::pending);
  EXPECT_EQ(sibling->destroy(), Destruction::pending);
  EXPECT_EQ(device.retry_pending(), 2U);
  EXPECT_FALSE(device.health().reachable);
  EXPECT_THAT(device.health().message, HasSubstr("does not answer"));

  for (const Call call : {Call::destroy_object, Call::close_session, Call::get_token_info}) {
    faults_->fail(call, CKR_OK, 0);
  }
  EXPECT_EQ(device.retry_pending(), 0U);
  EXPECT_EQ(keys_on_device(), 0U);
  EXPECT_TRUE(device.health().reachable);
  EXPECT_TRUE(signs(*new_key()));
}

TEST_F(Pkcs11FaultTest, ALostSessionIsALostKey) {
  Device& device = open();
  for (const CK_RV answer :
       {CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_KEY_HANDLE_INVALID,
        CKR_OBJECT_HANDLE_INVALID, CKR_TOKEN_NOT_PRESENT, CKR_USER_NOT_LOGGED_IN}) {
    const auto key = device.open_scope(any_owner())->generate(kP256);
    faults_->fail(Call::sign_init, answer);
    EXPECT_EQ(answer_of([&] { signs(*key); }), CKR_DEVICE_REMOVED) << answer;
    EXPECT_EQ(answer_of([&] { signs(*key); }), CKR_DEVICE_REMOVED) << answer;
  }
}

TEST_F(Pkcs11FaultTest, AnOperationLeftInAKeysSessionIsEnded) {
  open();
  const auto key = new_key();
  // C_Sign fails without ending the operation, as with a buffer that is too small.
  faults_->fail(Call::sign, CKR_FUNCTION_FAILED);
  EXPECT_EQ(answer_of([&] { signs(*key); }), CKR_FUNCTION_FAILED);
  EXPECT_TRUE(signs(*key));
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
}

/// Threads that sign and are held inside C_Sign, each in a session of its own.
class Busy : public Pkcs11FaultTest {
 protected:
  ~Busy() override { let_go(); }

  /// Starts a thread that signs.
  void sign_in_thread(DeviceKey& key) {
    threads_.emplace_back([this, &key] { good_ += signs(key) ? 1 : 0; });
  }

  /// Starts a thread that signs, and waits until it is held.
  void hold_in_thread(DeviceKey& key) {
    faults_->hold_signing = true;
    const unsigned before = faults_->held;
    sign_in_thread(key);
    await([&] { return faults_->held == before + 1; });
  }

  template <typename Condition>
  static void await(Condition&& condition) {
    while (!condition()) std::this_thread::yield();
  }

  /// Lets all go on. @return how many made good signatures.
  unsigned let_go() {
    faults_->hold_signing = false;
    threads_.clear();
    return good_;
  }

  std::atomic<unsigned> good_{0};
  std::vector<std::jthread> threads_;
};

TEST_F(Busy, ABorrowedSessionThatFailsCostsNoSignature) {
  open();
  const auto key = new_key();
  unsigned expected = 0;
  for (const CK_RV answer : {CKR_SESSION_HANDLE_INVALID, CKR_OPERATION_ACTIVE}) {
    hold_in_thread(*key);
    const unsigned closed = calls(Call::close_session);
    faults_->fail(Call::sign_init, answer);
    sign_in_thread(*key);
    await([&] { return calls(Call::close_session) == closed + 1; });  // the borrowed one is dropped
    expected += 2;
    EXPECT_EQ(let_go(), expected);
  }
}

TEST_F(Busy, BorrowedSessionsAreKeptForTheNext) {
  open();
  const auto key = new_key();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4; ++i) hold_in_thread(*key);
    EXPECT_EQ(faults_->open_sessions, 4U);
    let_go();
  }
  EXPECT_EQ(good_, 12U);
}

TEST_F(Busy, AYoungerSessionIsUsedOnlyOnceTheKeysOwnSessionIsKnownToHaveLived) {
  open();
  const auto key = new_key();
  hold_in_thread(*key);  // in its own session
  hold_in_thread(*key);  // in the first, which is older than the key
  EXPECT_EQ(calls(Call::get_session_info), 0U);
  faults_->fail(Call::get_session_info, CKR_SESSION_HANDLE_INVALID);
  sign_in_thread(*key);
  await([&] { return calls(Call::get_session_info) == 1; });
  EXPECT_EQ(let_go(), 3U);  // the third waited for the key's own session

  hold_in_thread(*key);
  hold_in_thread(*key);
  hold_in_thread(*key);
  const unsigned asked = calls(Call::get_session_info);
  EXPECT_EQ(let_go(), 6U);
  hold_in_thread(*key);
  hold_in_thread(*key);
  hold_in_thread(*key);
  EXPECT_EQ(calls(Call::get_session_info), asked) << "it was known already";
  EXPECT_EQ(let_go(), 9U);
}

TEST_F(Busy, WaitingForASessionHasAnEnd) {
  options_.max_sessions = 2;
  open();
  const auto key = new_key();
  hold_in_thread(*key);
  hold_in_thread(*key);
  EXPECT_EQ(answer_of([&] { signs(*key); }, &message_), CKR_SESSION_COUNT);
  EXPECT_THAT(message_, HasSubstr("device.max-sessions"));
  EXPECT_EQ(let_go(), 2U);
  EXPECT_TRUE(signs(*key));
}

TEST_F(Pkcs11FaultTest, AReusedSessionNumberMeansThatTheOldSessionDied) {
  open();
  const auto key = new_key();
  faults_->repeat_session = faults_->last_session.load();
  const auto other = new_key();
  EXPECT_EQ(answer_of([&] { signs(*key); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_TRUE(signs(*other)) << "the new owner's session was closed for the old one";
}

TEST_F(Pkcs11FaultTest, UsesReadWriteSessionsWhenTheDeviceWantsThem) {
  open();
  faults_->wants_read_write = true;
  const auto key = new_key();
  const auto other = new_key();
  EXPECT_TRUE(signs(*key));
  EXPECT_TRUE(signs(*other));
  EXPECT_EQ(faults_->open_sessions, 3U);
}

TEST_F(Pkcs11FaultTest, NamesEd25519AsTheDeviceWantsIt) {
  faults_->wants_curve_name = true;
  const auto key = open().open_scope(any_owner())->generate({CKK_EC_EDWARDS, 255});
  const Bytes message = to_bytes(as_bytes("message"));
  Bytes signature(64);
  EXPECT_EQ(key->sign({{Scheme::eddsa}, message}, signature), 64U);
  EXPECT_TRUE(key->public_key().verify({Scheme::eddsa}, message, signature));
}

TEST_F(Pkcs11FaultTest, GivesTheDeviceNoMoreOfADigestThanTheCurveHas) {
  Device& device = open();
  const Bytes long_digest = digest(Hash::sha512, as_bytes("message"));
  for (const KeySpec& spec : {kP256, KeySpec{CKK_EC, 384}, KeySpec{CKK_EC, 521}}) {
    faults_->longest_data = (spec.bits + 7) / 8;
    const auto key = device.open_scope(any_owner())->generate(spec);
    Bytes signature(key->public_key().signature_size());
    for (const Hash hash : {Hash::none, Hash::sha512}) {
      EXPECT_EQ(key->sign({{Scheme::ecdsa, hash}, long_digest}, signature), signature.size());
      EXPECT_TRUE(key->public_key().verify({Scheme::ecdsa, hash}, long_digest, signature));
    }
  }
}

TEST_F(Pkcs11FaultTest, TakesTheMessageWhenTheDeviceHasNoRawMechanism) {
  faults_->hidden = CKM_RSA_PKCS;
  Device& device = open();
  EXPECT_EQ(device.sign_input(Scheme::rsa_pkcs1, Hash::none), SignInput::unsupported);
  ASSERT_EQ(device.sign_input(Scheme::rsa_pkcs1, Hash::sha384), SignInput::message);
  const auto key = device.open_scope(any_owner())->generate({CKK_RSA, 2048});
  const SignatureScheme scheme = {Scheme::rsa_pkcs1, Hash::sha384};
  Bytes signature(key->public_key().signature_size());
  EXPECT_EQ(key->sign({scheme, as_bytes("message")}, signature), signature.size());
  EXPECT_TRUE(
      key->public_key().verify(scheme, digest(Hash::sha384, as_bytes("message")), signature));
}

TEST_F(Pkcs11FaultTest, SaysWhatTheDeviceDoesNotHave) {
  faults_->hidden = CKM_EC_KEY_PAIR_GEN;
  Device& device = open();
  EXPECT_FALSE(device.supports(kP256));
  EXPECT_EQ(answer_of([&] { new_key(); }, &message_), CKR_MECHANISM_INVALID);
  EXPECT_THAT(message_, HasSubstr("EC P-256"));
}

TEST_F(Pkcs11FaultTest, KeepsToTheTokensOwnLimit) {
  faults_->max_sessions = 3;
  open();
  std::vector<std::unique_ptr<DeviceKey>> keys;
  for (int i = 0; i < 6; ++i) keys.push_back(new_key());
  EXPECT_EQ(faults_->open_sessions, 3U);
  for (const auto& key : keys) EXPECT_TRUE(signs(*key));
}

TEST_F(Pkcs11FaultTest, SharesSessionsWhenTheDeviceUnexpectedlyHasNoMore) {
  open();
  const auto first = new_key();
  faults_->session_limit = 2;
  const auto second = new_key();
  EXPECT_TRUE(signs(*first));
  EXPECT_TRUE(signs(*second));
  EXPECT_EQ(first->destroy(), Destruction::destroyed);
  EXPECT_EQ(keys_on_device(), 1U);
  EXPECT_TRUE(signs(*second));
}

TEST_F(Pkcs11FaultTest, SaysThatNoSessionIsLeftForKeys) {
  open();
  faults_->session_limit = 1;
  EXPECT_EQ(answer_of([&] { new_key(); }, &message_), CKR_SESSION_COUNT);
  EXPECT_THAT(message_, HasSubstr("device.max-sessions"));
}

TEST_F(Pkcs11FaultTest, AFailedGenerationLeavesNoSessionOpen) {
  open();
  faults_->fail(Call::generate_key_pair, CKR_DEVICE_MEMORY);
  EXPECT_EQ(answer_of([&] { new_key(); }), CKR_DEVICE_MEMORY);
  EXPECT_EQ(faults_->open_sessions, 1U);
  EXPECT_TRUE(signs(*new_key()));
}

}  // namespace
}  // namespace mayfly::test
