// What TPMs are there for: the chip itself refuses a key after its task.
#include <atomic>
#include <csignal>
#include <optional>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "device/tpm/public_area.h"
#include "integration/device/burglar.h"
#include "support/swtpm.h"

namespace mayfly::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr KeySpec kP256 = {CKK_EC, 256};
constexpr SignatureScheme kEcdsaSha256 = {Scheme::ecdsa, Hash::sha256};

ScopeOwner owner(BootClock::time_point deadline = BootClock::time_point::max()) {
  return {"task", "0123456789abcdef", deadline};
}

const Bytes& message_digest() {
  static const Bytes kDigest = digest(Hash::sha256, as_bytes("what an agent signs"));
  return kDigest;
}

bool is_good(const PublicKey& key, ByteView signature) {
  return key.verify(kEcdsaSha256, message_digest(), signature);
}

bool signs(DeviceKey& key) {
  Bytes signature(key.public_key().signature_size());
  signature.resize(key.sign({kEcdsaSha256, message_digest()}, signature));
  return is_good(key.public_key(), signature);
}

/// What an action fails with; CKR_OK if it does not.
template <typename Action>
Error failure_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return {CKR_OK, "it did not fail"};
}

class TpmDeviceTest : public testing::Test {
 protected:
  ~TpmDeviceTest() override {
    if (device_ != nullptr) device_->close();
  }

  [[nodiscard]] TpmDeviceOptions options(TpmDeadline deadline = TpmDeadline::hardware) const {
    TpmDeviceOptions options;
    options.tcti = swtpm_.tcti();
    options.timeout = milliseconds(2'000);
    options.deadline = deadline;
    return options;
  }

  Device& open(TpmDeadline deadline = TpmDeadline::hardware) {
    chip_ = std::make_shared<tpm::Chip>(options(deadline));
    burglar_.emplace(*chip_, swtpm_.tcti());
    device_ = tpm::make_tpm_device(chip_);
    return *device_;
  }

  /// Objects and sessions in the TPM, loaded or saved, by whomever.
  std::size_t in_the_tpm() {
    tpm::Tpm tpm({swtpm_.tcti(), seconds(10)});
    return tpm.handles(TPM2_HR_TRANSIENT).size() + tpm.handles(TPM2_HR_HMAC_SESSION).size() +
           tpm.handles(TPM2_HR_POLICY_SESSION).size();
  }

  Swtpm swtpm_;
  std::shared_ptr<tpm::Chip> chip_;
  std::optional<Burglar> burglar_;
  std::unique_ptr<Device> device_;
};

// The deadline ------------------------------------------------------------------------------------

/// Waits until the TPM's own deadline of keys that were to end at `deadline` is past.
void wait_past(BootClock::time_point deadline) {
  std::this_thread::sleep_for(deadline + tpm::kDeadlineMargin + milliseconds(100) -
                              BootClock::now());
}

TEST_F(TpmDeviceTest, RefusesAStolenKeyAfterItsDeadline) {
  Device& device = open();
  const auto deadline = BootClock::now() + milliseconds(700);
  const auto key = device.open_scope(owner(deadline))->generate(kP256);
  ASSERT_TRUE(signs(*key));
  const LootedKey stolen = burglar_->loot().at(0);
  ASSERT_TRUE(is_good(stolen.public_key, burglar_->sign(stolen, message_digest())))
      << "in time, a thief signs: the rest of this test can tell something";

  wait_past(deadline);
  // By the policy: TPM_RC_POLICY from TPM2_PolicyCounterTimer.
  const Error refusal = failure_of([&] { (void)burglar_->sign(stolen, message_digest()); });
  EXPECT_THAT(refusal.what(), HasSubstr("deadline is past"));
  // Around the policy, with the authorisation value alone: TPM_RC_AUTH_UNAVAILABLE.
  LootedKey without_policy = stolen;
  without_policy.policy.reset();
  EXPECT_THAT(failure_of([&] { (void)burglar_->sign(without_policy, message_digest()); }).what(),
              HasSubstr("(0x12f)"));
  // With a policy of the thief's own: TPM_RC_POLICY_FAIL.
  LootedKey other_policy = stolen;
  other_policy.policy.emplace(burglar_->tpm().read_clock(), BootClock::now(),
                              BootClock::now() + seconds(60));
  EXPECT_THAT(failure_of([&] { (void)burglar_->sign(other_policy, message_digest()); }).what(),
              HasSubstr("(0x99d)"));
  // Nor does mayfly sign, had it not looked at its own clock.
  EXPECT_EQ(failure_of([&] { signs(*key); }).rv(), CKR_DEVICE_REMOVED);
}

TEST_F(TpmDeviceTest, CanNotHelpAgainstAStolenKeyWhenTheDeadlineIsSoftware) {
  Device& device = open(TpmDeadline::software);
  const auto deadline = BootClock::now() + milliseconds(100);
  const auto key = device.open_scope(owner(deadline))->generate(kP256);
  const LootedKey stolen = burglar_->loot().at(0);
  wait_past(deadline);
  EXPECT_TRUE(is_good(stolen.public_key, burglar_->sign(stolen, message_digest())));
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
}

TEST_F(TpmDeviceTest, RefusesAStolenKeyWithoutItsAuthorisationValue) {
  Device& device = open();
  const auto key = device.open_scope(owner())->generate(kP256);
  LootedKey stolen = burglar_->loot().at(0);
  stolen.secret.back() ^= 1;
  EXPECT_THAT(failure_of([&] { (void)burglar_->sign(stolen, message_digest()); }).what(),
              HasSubstr("(0x9a2)"));
  EXPECT_TRUE(signs(*key));
}

TEST_F(TpmDeviceTest, LosesKeysWhenTheMachineIsSuspendedAndResumed) {
  Device& device = open();
  const auto key = device.open_scope(owner())->generate(kP256);
  ASSERT_TRUE(signs(*key));
  const LootedKey stolen = burglar_->loot().at(0);
  swtpm_.suspend_and_resume();
  // The TPM's time began anew, so only the counters of restarts stand before the thief.
  EXPECT_THAT(failure_of([&] { (void)burglar_->sign(stolen, message_digest()); }).what(),
              HasSubstr("suspended and resumed"));
  EXPECT_EQ(failure_of([&] { signs(*key); }).rv(), CKR_DEVICE_REMOVED);
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  const auto fresh = device.open_scope(owner())->generate(kP256);
  EXPECT_TRUE(signs(*fresh));
}

TEST_F(TpmDeviceTest, LosesKeysWhenTheTpmIsReset) {
  for (const TpmDeadline deadline : {TpmDeadline::hardware, TpmDeadline::software}) {
    Device& device = open(deadline);
    const auto scope = device.open_scope(owner());
    const auto key = scope->generate(kP256);
    ASSERT_TRUE(signs(*key));
    const LootedKey stolen = burglar_->loot().at(0);
    swtpm_.reset();
    EXPECT_THAT(failure_of([&] { (void)burglar_->sign(stolen, message_digest()); }).what(),
                HasSubstr("(0x1df)"));
    const Error error = failure_of([&] { signs(*key); });
    EXPECT_EQ(error.rv(), CKR_DEVICE_REMOVED) << error.what();
    EXPECT_EQ(key->destroy(), Destruction::destroyed);
    const auto fresh = scope->generate(kP256);
    EXPECT_TRUE(signs(*fresh));
    EXPECT_EQ(fresh->destroy(), Destruction::destroyed);
    device.close();
    EXPECT_EQ(in_the_tpm(), 0U);
  }
}

// Many keys, few places ---------------------------------------------------------------------------

TEST_F(TpmDeviceTest, KeepsTwoThousandTasksAndLeavesNothing) {
  Device& device = open();
  std::vector<std::unique_ptr<DeviceKey>> keys;
  for (int i = 0; i < 2'000; ++i) keys.push_back(device.open_scope(owner())->generate(kP256));
  for (const auto& key : keys) ASSERT_TRUE(signs(*key));
  for (const auto& key : keys) EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_EQ(burglar_->keys(), 0U);
  EXPECT_EQ(burglar_->strangers_loaded(), 0U);
  EXPECT_EQ(device.health().pending, 0U);
  EXPECT_EQ(device.health().open_scopes, 0U);
  device.close();
  EXPECT_EQ(in_the_tpm(), 0U);
}

TEST_F(TpmDeviceTest, GoesOnWhenOthersUnloadItsKeys) {
  Device& device = open();
  const auto scope = device.open_scope(owner());
  const auto key = scope->generate(kP256);
  for (int i = 0; i < 3; ++i) {
    for (const TPM2_HANDLE handle : burglar_->tpm().handles(TPM2_HR_TRANSIENT)) {
      burglar_->tpm().flush_context(handle);
    }
    for (const TPM2_HANDLE handle : burglar_->tpm().handles(TPM2_HR_HMAC_SESSION)) {
      burglar_->tpm().flush_context(handle);
    }
    EXPECT_TRUE(i == 1 || signs(*key));
    EXPECT_TRUE(i == 0 || signs(*scope->generate(kP256)));
  }
}

TEST_F(TpmDeviceTest, MakesNoSignatureWithAKeyThatTookThePlaceOfAnother) {
  Device& device = open();
  const auto key = device.open_scope(owner())->generate(kP256);
  ASSERT_TRUE(signs(*key));
  // Somebody takes out what is loaded, and puts keys of his own on the same handles.
  tpm::Tpm& other = burglar_->tpm();
  const auto handles = other.handles(TPM2_HR_TRANSIENT);
  for (const TPM2_HANDLE handle : handles) other.flush_context(handle);
  const auto stranger = tpm::session_key_template(kP256, {});
  const auto parent = other.create_primary(TPM2_RH_NULL, tpm::parent_template());
  while (other.handles(TPM2_HR_TRANSIENT).size() < handles.size()) {
    (void)other.create_loaded(parent.handle, stranger, {});
  }
  EXPECT_TRUE(signs(*key));
}

TEST_F(TpmDeviceTest, SharesAFullTpmWithOtherProcessesOfMayfly) {
  Device& device = open();
  const auto key = device.open_scope(owner())->generate(kP256);
  const auto other_chip = std::make_shared<tpm::Chip>(options());
  const auto other = tpm::make_tpm_device(other_chip);
  const auto other_key = other->open_scope(owner())->generate(kP256);
  std::vector<std::unique_ptr<DeviceKey>> more;
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(signs(*key));
    EXPECT_TRUE(signs(*other_key));
    more.push_back((i % 2 == 0 ? device : *other).open_scope(owner())->generate(kP256));
  }
  for (const auto& one : more) EXPECT_TRUE(signs(*one));
  other->close();
  EXPECT_TRUE(signs(*key));
}

TEST_F(TpmDeviceTest, LeavesStrangersObjectsAlone) {
  tpm::Tpm stranger({swtpm_.tcti(), seconds(10)});
  TPM2B_PUBLIC area = tpm::parent_template();
  area.publicArea.authPolicy.size = 0;
  const auto theirs = stranger.create_primary(TPM2_RH_NULL, area);
  const auto child =
      stranger.create_loaded(theirs.handle, tpm::session_key_template(kP256, {}), {});
  // One place is left, and mayfly needs two.
  EXPECT_EQ(failure_of([&] { (void)open().open_scope(owner())->generate(kP256); }).rv(),
            CKR_DEVICE_MEMORY);
  EXPECT_NO_THROW((void)stranger.read_public(theirs.handle));
  stranger.flush_context(child.handle);
  EXPECT_TRUE(signs(*device_->open_scope(owner())->generate(kP256)));
  EXPECT_NO_THROW((void)stranger.read_public(theirs.handle));
}

// Dying ------------------------------------------------------------------------------------------

TEST_F(TpmDeviceTest, UnloadsWhatAKilledProcessLeft) {
  const pid_t child = fork();
  if (child == 0) {
    const auto device = open_tpm_device(options());
    const auto scope = device->open_scope(owner());
    const auto first = scope->generate(kP256);
    const auto second = scope->generate(kP256);
    signs(*first);
    raise(SIGKILL);
  }
  waitpid(child, nullptr, 0);
  tpm::Tpm tpm({swtpm_.tcti(), seconds(10)});
  ASSERT_GT(tpm.handles(TPM2_HR_TRANSIENT).size(), 0U) << "a process that is killed leaves keys";
  open();
  EXPECT_EQ(tpm.handles(TPM2_HR_TRANSIENT).size(), 1U) << "the parent, of the new one's own";
  device_->close();
  EXPECT_EQ(tpm.handles(TPM2_HR_TRANSIENT).size(), 0U);
}

TEST_F(TpmDeviceTest, IsLeftAloneByAForkedChild) {
  Device& device = open();
  auto key = device.open_scope(owner())->generate(kP256);
  const pid_t child = fork();
  if (child == 0) {
    const bool refused = failure_of([&] { signs(*key); }).rv() == CKR_DEVICE_REMOVED;
    key.reset();
    device_.reset();
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(signs(*key));
}

// Losing the TPM ---------------------------------------------------------------------------------

/// Tries until it succeeds or time is over.
template <typename Action>
bool eventually(Action&& action) {
  const auto deadline = std::chrono::steady_clock::now() + seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    if (failure_of(action).rv() == CKR_OK) return true;
    std::this_thread::sleep_for(milliseconds(20));
  }
  return false;
}

TEST_F(TpmDeviceTest, GivesAFrozenTpmUpAndWorksAgainAfterIt) {
  Device& device = open();
  const auto scope = device.open_scope(owner());
  const auto key = scope->generate(kP256);
  ASSERT_TRUE(signs(*key));
  swtpm_.freeze();
  const auto start = std::chrono::steady_clock::now();
  const Error error = failure_of([&] { signs(*key); });
  EXPECT_EQ(error.rv(), CKR_DEVICE_REMOVED);
  EXPECT_THAT(error.what(), HasSubstr("tpm.timeout"));
  EXPECT_EQ(key->destroy(), Destruction::pending) << "it is loaded, and nobody can unload it";
  EXPECT_EQ(device.health().pending, 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(20));
  swtpm_.thaw();
  std::unique_ptr<DeviceKey> fresh;
  ASSERT_TRUE(eventually([&] { fresh = scope->generate(kP256); }));
  EXPECT_TRUE(signs(*fresh));
  EXPECT_EQ(device.retry_pending(), 0U);
  EXPECT_EQ(fresh->destroy(), Destruction::destroyed);
  EXPECT_EQ(burglar_->strangers_loaded(), 0U);
}

TEST_F(TpmDeviceTest, WorksAgainWhenTheTpmWasRestarted) {
  Device& device = open();
  const auto scope = device.open_scope(owner());
  const auto key = scope->generate(kP256);
  swtpm_.kill();
  EXPECT_EQ(failure_of([&] { signs(*key); }).rv(), CKR_DEVICE_REMOVED);
  EXPECT_FALSE(device.health().reachable);
  swtpm_.start();
  std::unique_ptr<DeviceKey> fresh;
  ASSERT_TRUE(eventually([&] { fresh = scope->generate(kP256); }));
  EXPECT_TRUE(signs(*fresh));
  EXPECT_EQ(failure_of([&] { signs(*key); }).rv(), CKR_DEVICE_REMOVED) << "no resurrection";
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_EQ(device.retry_pending(), 0U);
}

}  // namespace
}  // namespace mayfly::test
