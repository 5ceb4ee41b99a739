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
#include "compose/registry_journal.h"
#include "device/tpm/public_area.h"
#include "device/tpm/sapi.h"
#include "integration/device/burglar.h"
#include "registry/sqlite/sqlite_registry.h"
#include "support/failure_of.h"
#include "support/rounds.h"
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

/// Opens, makes a key, signs, and dies without a word.
void live_and_die(const TpmDeviceOptions& options) {
  const pid_t child = fork();
  if (child == 0) {
    const auto device = open_tpm_device(options);
    const auto key = device->open_scope(owner())->generate(kP256);
    if (!signs(*key)) _exit(1);
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
}

class TpmDeviceTest : public testing::Test {
 protected:
  ~TpmDeviceTest() override {
    if (device_ != nullptr) device_->close();
  }

  [[nodiscard]] TpmDeviceOptions options(TpmDeadline deadline = TpmDeadline::hardware) const {
    TpmDeviceOptions options;
    options.tcti = swtpm_.tcti();
    options.deadline = deadline;
    return options;
  }

  Device& open(TpmDeadline deadline = TpmDeadline::hardware) { return open(options(deadline)); }

  Device& open(const TpmDeviceOptions& options) {
    chip_ = std::make_shared<tpm::Chip>(options);
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

  /// Indices of NV memory, whosever.
  std::size_t counters() {
    return tpm::Tpm({swtpm_.tcti(), seconds(10)}).handles(TPM2_HR_NV_INDEX).size();
  }

  Swtpm swtpm_;
  TempFolder folder_;
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
  other_policy.policy.emplace().require_deadline(burglar_->tpm().read_clock(), BootClock::now(),
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

// The kill switch --------------------------------------------------------------------------------

TEST_F(TpmDeviceTest, RefusesAStolenKeyAfterItsEndWithAKillSwitch) {
  for (const TpmDeadline deadline : {TpmDeadline::hardware, TpmDeadline::software}) {
    for (const bool kill_switch : {false, true}) {
      TpmDeviceOptions with = options(deadline);
      with.kill_switch = kill_switch;
      Device& device = open(with);
      const auto scope = device.open_scope(owner());
      const auto key = scope->generate(kP256);
      const auto other = scope->generate(kP256);
      ASSERT_TRUE(signs(*key));
      const std::vector<LootedKey> stolen = burglar_->loot();
      ASSERT_EQ(stolen.size(), 2U);
      for (const LootedKey& one : stolen) (void)burglar_->sign(one, message_digest());
      EXPECT_EQ(key->destroy(), Destruction::destroyed);
      EXPECT_TRUE(signs(*other)) << "a key ends alone";
      EXPECT_EQ(other->destroy(), Destruction::destroyed);
      for (const LootedKey& one : stolen) {
        const Error refusal = failure_of([&] { (void)burglar_->sign(one, message_digest()); });
        if (kill_switch) {
          EXPECT_THAT(refusal.what(), HasSubstr("kill switch was thrown"));
        } else {
          EXPECT_EQ(refusal.rv(), CKR_OK) << "without a kill switch a thief goes on until the end";
        }
      }
      device.close();
      EXPECT_EQ(counters(), 0U);
      EXPECT_EQ(in_the_tpm(), 0U);
    }
  }
}

TEST_F(TpmDeviceTest, CanNotBeTalkedIntoAnotherCounter) {
  TpmDeviceOptions with = options();
  with.kill_switch = true;
  Device& device = open(with);
  const auto key = device.open_scope(owner())->generate(kP256);
  const LootedKey stolen = burglar_->loot().at(0);
  const tpm::KillCounter counter = stolen.policy->counter().value();
  tpm::Tpm& thief = burglar_->tpm();
  TPMS_NV_PUBLIC area = thief.nv_read_public(counter.index).area;
  area.attributes &= ~TPMA_NV_WRITTEN;
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  // The thief makes the index anew, as it was. It has the same name, but never the same value.
  thief.nv_undefine_space(counter.index);
  thief.nv_define_space(area);
  for (int i = 0; i < 10; ++i) {
    thief.nv_increment(counter.index);
    ASSERT_EQ(thief.nv_read_public(counter.index).name, counter.name);
    EXPECT_THAT(failure_of([&] { (void)burglar_->sign(stolen, message_digest()); }).what(),
                HasSubstr("kill switch was thrown"));
  }
}

/// What the TPM's owner can do who wants to have a counter stand where it stood.
void clear(tpm::Tpm& tpm) {
  tpm::CommandAuthorisation lockout({});
  tpm.run(Tss2_Sys_Clear(tpm.sys(), TPM2_RH_LOCKOUT, lockout.command(), lockout.response()),
          "TPM2_Clear");
}

/// How a counter can go without mayfly's doing, before or after its key's end.
enum class Removal { undefined, cleared };

TEST_F(TpmDeviceTest, EndsAKeyAlsoWhereOthersRemoveItsCounter) {
  TpmDeviceOptions with = options(TpmDeadline::software);
  with.kill_switch = true;
  Device& device = open(with);
  tpm::Tpm& thief = burglar_->tpm();
  for (const Removal removal : {Removal::undefined, Removal::cleared}) {
    for (const bool before_the_end : {true, false}) {
      SCOPED_TRACE(std::string(removal == Removal::cleared ? "cleared" : "undefined") +
                   (before_the_end ? " before" : " after"));
      const auto key = device.open_scope(owner())->generate(kP256);
      const LootedKey stolen = burglar_->loot().at(0);
      const TPMI_RH_NV_INDEX index = stolen.policy->counter()->index;
      TPMS_NV_PUBLIC area = thief.nv_read_public(index).area;
      area.attributes &= ~TPMA_NV_WRITTEN;
      const auto remove = [&] {
        if (removal == Removal::undefined) thief.nv_undefine_space(index);
        clear(thief);
      };
      // Whether the key signs with a counter that is made anew, at one of its first values.
      const auto comes_back = [&] {
        bool signed_once = false;
        thief.nv_define_space(area);
        for (int i = 0; i < 10; ++i) {
          thief.nv_increment(index);
          signed_once = signed_once || failure_of([&] {
                                         (void)burglar_->sign(stolen, message_digest());
                                       }).rv() == CKR_OK;
        }
        thief.nv_undefine_space(index);
        return signed_once;
      };
      ASSERT_TRUE(is_good(stolen.public_key, burglar_->sign(stolen, message_digest())));
      if (before_the_end) remove();
      EXPECT_EQ(key->destroy(), Destruction::destroyed);
      if (!before_the_end) remove();
      EXPECT_FALSE(comes_back());
      clear(thief);
      EXPECT_FALSE(comes_back());
    }
  }
}

TEST_F(TpmDeviceTest, LeavesAnIndexAloneThatIsSomebodyElsesByNow) {
  TpmDeviceOptions with = options();
  with.kill_switch = true;
  Device& device = open(with);
  const auto key = device.open_scope(owner())->generate(kP256);
  const tpm::KillCounter counter = burglar_->loot().at(0).policy->counter().value();
  tpm::Tpm& stranger = burglar_->tpm();
  TPMS_NV_PUBLIC area = stranger.nv_read_public(counter.index).area;
  stranger.nv_undefine_space(counter.index);
  area.attributes &= ~TPMA_NV_WRITTEN;
  area.authPolicy.size = 0;
  stranger.nv_define_space(area);
  stranger.nv_increment(counter.index);
  const Bytes before = stranger.nv_read(counter.index, 8);
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_EQ(stranger.nv_read(counter.index, 8), before);
  device.close();
  EXPECT_EQ(counters(), 1U) << "the stranger's";
}

TEST_F(TpmDeviceTest, ReapsTheCountersOfAKilledProcessAndNoOthers) {
  TpmDeviceOptions with = options();
  with.kill_switch = true;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto device = open_tpm_device(with);
    const auto key = device->open_scope(owner())->generate(kP256);
    signs(*key);
    (void)!write(ready[1], "r", 1);
    pause();
    _exit(1);
  }
  char letter = 0;
  ASSERT_EQ(read(ready[0], &letter, 1), 1);
  Device& device = open(with);
  tpm::Tpm stranger({swtpm_.tcti(), seconds(10)});
  TPMS_NV_PUBLIC area{};
  area.nvIndex = 0x01a40123;
  area.nameAlg = TPM2_ALG_SHA256;
  area.attributes = TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT | TPMA_NV_OWNERWRITE |
                    TPMA_NV_OWNERREAD | TPMA_NV_NO_DA;
  area.dataSize = 8;
  stranger.nv_define_space(area);
  const std::size_t all = counters();

  const ReapReport while_alive = device.reap(ReapReach::device, EarlierBoots::may_live);
  EXPECT_EQ(while_alive.destroyed, 0U);
  EXPECT_GT(while_alive.alive, 0U);
  EXPECT_EQ(while_alive.foreign, 1U);
  EXPECT_EQ(counters(), all);

  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const ReapReport report = device.reap(ReapReach::device, EarlierBoots::may_live);
  EXPECT_EQ(report.destroyed, while_alive.alive);
  EXPECT_EQ(report.alive, 0U);
  const auto key = device.open_scope(owner())->generate(kP256);
  EXPECT_TRUE(signs(*key)) << "one's own counters stay";
  device.close();
  EXPECT_EQ(counters(), 1U) << "the stranger's";
  close(ready[0]);
  close(ready[1]);
}

/// Takes all of the TPM's NV memory.
void fill_nv(tpm::Tpm& tpm) {
  TPMS_NV_PUBLIC area{};
  area.nameAlg = TPM2_ALG_SHA256;
  area.nvIndex = 0x01800000;
  for (const std::uint16_t size : std::initializer_list<std::uint16_t>{2'048, 128, 8}) {
    area.attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_NO_DA;
    if (size == 8) area.attributes |= TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT;
    area.dataSize = size;
    try {
      for (;; ++area.nvIndex) tpm.nv_define_space(area);
    } catch (const tpm::TpmError& error) {
      ASSERT_TRUE(error.is(TPM2_RC_NV_SPACE)) << error.what();
    }
  }
}

TEST_F(TpmDeviceTest, StartsAndReapsThoughNvMemoryIsFull) {
  TpmDeviceOptions with = options();
  with.kill_switch = true;
  live_and_die(with);
  tpm::Tpm stranger({swtpm_.tcti(), seconds(10)});
  fill_nv(stranger);
  Device& device = open(with);
  const auto scope = device.open_scope(owner());
  EXPECT_EQ(failure_of([&] { (void)scope->generate(kP256); }).rv(), CKR_DEVICE_MEMORY);
  EXPECT_EQ(device.reap(ReapReach::device, EarlierBoots::may_live).destroyed, 1U);
  EXPECT_TRUE(signs(*scope->generate(kP256))) << "in the room that the dead one had taken";
}

TEST_F(TpmDeviceTest, DefinesCountersForKeysOnlyAndKeepsFew) {
  TpmDeviceOptions with = options();
  with.kill_switch = true;
  Device& device = open(with);
  EXPECT_EQ(counters(), 0U);
  std::vector<std::unique_ptr<DeviceKey>> keys;
  for (int i = 0; i < 20; ++i) keys.push_back(device.open_scope(owner())->generate(kP256));
  EXPECT_EQ(counters(), 20U);
  for (const auto& key : keys) EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_EQ(counters(), 16U);
  device.close();
  EXPECT_EQ(counters(), 0U);
}

TEST_F(TpmDeviceTest, GoesOnWhenSomebodyUndefinesItsFreeCounters) {
  TpmDeviceOptions with = options();
  with.kill_switch = true;
  Device& device = open(with);
  const auto scope = device.open_scope(owner());
  std::vector<std::unique_ptr<DeviceKey>> keys;
  for (int i = 0; i < 3; ++i) keys.push_back(scope->generate(kP256));
  for (const auto& key : keys) EXPECT_EQ(key->destroy(), Destruction::destroyed);
  tpm::Tpm& other = burglar_->tpm();
  const auto free = other.handles(TPM2_HR_NV_INDEX);
  ASSERT_EQ(free.size(), 3U);
  for (const TPM2_HANDLE index : free) other.nv_undefine_space(index);
  TPMS_NV_PUBLIC area{};
  area.nvIndex = free.back();
  area.nameAlg = TPM2_ALG_SHA256;
  area.attributes = TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT | TPMA_NV_OWNERWRITE |
                    TPMA_NV_OWNERREAD | TPMA_NV_NO_DA;
  area.dataSize = 8;
  other.nv_define_space(area);
  other.nv_increment(area.nvIndex);
  const auto key = scope->generate(kP256);
  EXPECT_TRUE(signs(*key));
  EXPECT_NE(burglar_->loot().at(0).policy->counter().value().index, area.nvIndex)
      << "a stranger's counter";
}

TEST_F(TpmDeviceTest, SaysThatTheOwnersAuthorisationValueIsInTheWay) {
  swtpm_.set_owner_auth("owned");
  TpmDeviceOptions with = options();
  with.kill_switch = true;
  const Error error = failure_of([&] { open(with); });
  EXPECT_EQ(error.rv(), CKR_GENERAL_ERROR);
  EXPECT_THAT(error.what(), HasSubstr("tpm2_changeauth"));
  EXPECT_TRUE(signs(*open().open_scope(owner())->generate(kP256))) << "a deadline needs no owner";
}

// Many keys, few places ---------------------------------------------------------------------------

TEST_F(TpmDeviceTest, TakesAsManyCommandsASignatureAsTheDocsSay) {
  struct Mode {
    TpmDeadline deadline;
    bool kill_switch;
    std::uint64_t commands;
  };
  for (const Mode& mode :
       {Mode{TpmDeadline::software, false, 1}, Mode{TpmDeadline::hardware, false, 4},
        Mode{TpmDeadline::software, true, 3}, Mode{TpmDeadline::hardware, true, 5}}) {
    TpmDeviceOptions with = options(mode.deadline);
    with.kill_switch = mode.kill_switch;
    Device& device = open(with);
    const auto key = device.open_scope(owner())->generate(kP256);
    ASSERT_TRUE(signs(*key));  // begins the session
    const std::uint64_t before = burglar_->traffic().commands;
    ASSERT_TRUE(signs(*key));
    EXPECT_EQ(burglar_->traffic().commands - before, mode.commands);
    device.close();
  }
}

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
    (void)other.create_loaded(parent.handle, {}, stranger, {}, nullptr);
  }
  EXPECT_TRUE(signs(*key));
}

TEST_F(TpmDeviceTest, MakesNoKeyUnderAParentThatTookThePlaceOfItsOwn) {
  Device& device = open();
  tpm::Tpm& other = burglar_->tpm();
  ASSERT_EQ(other.handles(TPM2_HR_TRANSIENT).size(), 1U) << "mayfly's parent";
  other.flush_context(TPM2_HR_TRANSIENT);
  TPM2B_PUBLIC area = tpm::parent_template();
  area.publicArea.authPolicy.size = 0;
  const auto theirs = other.create_primary(TPM2_RH_NULL, area);
  ASSERT_EQ(theirs.handle, TPM2_HANDLE{TPM2_HR_TRANSIENT});
  const auto key = device.open_scope(owner())->generate(kP256);
  EXPECT_TRUE(signs(*key));
  EXPECT_NO_THROW((void)other.read_public(theirs.handle));
  other.flush_context(theirs.handle);  // room for what was stolen
  const TPM2_HANDLE stolen = other.context_load(burglar_->loot().at(0).context);
  const auto found = other.read_public(stolen);
  const Bytes not_ours = tpm::qualified_name(
      tpm::null_primary_qualified_name(to_bytes(tpm::view(theirs.name))), tpm::view(found.name));
  EXPECT_FALSE(equal(tpm::view(found.qualified_name), not_ours));
  other.flush_context(stolen);
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

TEST_F(TpmDeviceTest, FindsRoomAmongOthersKeysThoughTheirParentIsNotLoaded) {
  TpmDeviceOptions with = options();
  with.journal = std::make_shared<RegistryJournal>(open_sqlite_registry(folder_.path() / "r.db"));
  std::vector<std::unique_ptr<Device>> devices;
  std::vector<std::unique_ptr<DeviceKey>> keys;
  for (int i = 0; i < 4; ++i) {
    devices.push_back(open_tpm_device(with));
    keys.push_back(devices.back()->open_scope(owner())->generate(kP256));
  }
  const auto is_full_of_keys = [this] {
    tpm::Tpm tpm({swtpm_.tcti(), seconds(10)});
    for (const TPM2_HANDLE handle : tpm.handles(TPM2_HR_TRANSIENT)) {
      if (tpm::is_parent(tpm.read_public(handle))) tpm.flush_context(handle);
    }
    return tpm.handles(TPM2_HR_TRANSIENT).size() == 3;
  };
  for (int i = 0; i < 100 && !is_full_of_keys(); ++i) EXPECT_TRUE(signs(*keys[i % keys.size()]));
  ASSERT_TRUE(is_full_of_keys());
  for (const auto& key : keys) EXPECT_TRUE(signs(*key));
  ASSERT_TRUE(is_full_of_keys());
  Device& late = open(with);
  EXPECT_TRUE(signs(*late.open_scope(owner())->generate(kP256)));
  for (const auto& key : keys) EXPECT_TRUE(signs(*key));
  for (const auto& device : devices) device->close();
  late.close();
  EXPECT_EQ(in_the_tpm(), 0U);
}

TEST_F(TpmDeviceTest, LeavesStrangersObjectsAlone) {
  tpm::Tpm stranger({swtpm_.tcti(), seconds(10)});
  TPM2B_PUBLIC area = tpm::parent_template();
  area.publicArea.authPolicy.size = 0;
  const auto theirs = stranger.create_primary(TPM2_RH_NULL, area);
  const auto child =
      stranger.create_loaded(theirs.handle, {}, tpm::session_key_template(kP256, {}), {}, nullptr);
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

TEST_F(TpmDeviceTest, LeavesNothingAfterManyProcessesWereKilledAndOneReap) {
  TpmDeviceOptions with = options();
  with.kill_switch = true;
  with.journal = std::make_shared<RegistryJournal>(open_sqlite_registry(folder_.path() / "r.db"));
  std::size_t reaped = 0;
  for (int i = 0; i < rounds() / 4; ++i) {
    live_and_die(with);
    // Each is a process of its own that opens the TPM and reaps, as mayfly does when it starts.
    Device& device = open(with);
    reaped += device.reap(ReapReach::recorded, EarlierBoots::may_live).destroyed;
    device.close();
    ASSERT_EQ(in_the_tpm(), 0U) << "in round " << i;
    ASSERT_EQ(counters(), 0U) << "in round " << i;
  }
  EXPECT_GE(reaped, static_cast<std::size_t>(rounds() / 4) * 2) << "a session and a counter each";
}

// Where nothing but encryption wants a session, no policy is run in it, and its handle is of
// another kind.
TEST_F(TpmDeviceTest, LeavesNoSessionOfKilledProcessesThatRanNoPolicy) {
  TpmDeviceOptions with = options(TpmDeadline::software);
  with.encrypt = true;
  with.journal = std::make_shared<RegistryJournal>(open_sqlite_registry(folder_.path() / "r.db"));
  live_and_die(with);
  live_and_die(with);
  const auto left = tpm::Tpm({swtpm_.tcti(), seconds(10)}).handles(TPM2_HR_HMAC_SESSION);
  ASSERT_EQ(left.size(), 2U);
  ASSERT_EQ(left.front() >> 24, TPM2_HT_HMAC_SESSION);
  Device& device = open(with);
  EXPECT_EQ(device.reap(ReapReach::recorded, EarlierBoots::may_live).destroyed, 2U);
  device.close();
  EXPECT_EQ(in_the_tpm(), 0U);
  EXPECT_EQ(with.journal->entries("tpm " + with.tcti).size(), 1U) << "the parent";
}

TEST_F(TpmDeviceTest, ReapsNoSessionThatALivingProcessHasOnTheHandleOfADeadOne) {
  tpm::Tpm tpm({swtpm_.tcti(), seconds(10)});
  for (const bool runs_policies : {true, false}) {
    TpmDeviceOptions with = options(runs_policies ? TpmDeadline::hardware : TpmDeadline::software);
    with.encrypt = !runs_policies;
    const std::string registry = runs_policies ? "policies.db" : "none.db";
    with.journal =
        std::make_shared<RegistryJournal>(open_sqlite_registry(folder_.path() / registry));
    live_and_die(with);
    const auto left = tpm.handles(TPM2_HR_HMAC_SESSION);
    ASSERT_EQ(left.size(), 1U);
    tpm.flush_context(left.front());
    Device& device = open(with);
    EXPECT_TRUE(signs(*device.open_scope(owner())->generate(kP256)));
    ASSERT_EQ(tpm.handles(TPM2_HR_HMAC_SESSION), left) << "the same handle";
    EXPECT_EQ(device.reap(ReapReach::device, EarlierBoots::may_live).destroyed, 0U);
    EXPECT_EQ(tpm.handles(TPM2_HR_HMAC_SESSION), left);
    EXPECT_EQ(with.journal->entries("tpm " + with.tcti).size(), 2U) << "the parent, and its own";
    device.close();
  }
}

TEST_F(TpmDeviceTest, KeepsOneRecordOfATpmWithTwoNames) {
  TpmDeviceOptions with = options();
  with.journal = std::make_shared<RegistryJournal>(open_sqlite_registry(folder_.path() / "r.db"));
  const auto first = open_tpm_device(with);
  const std::size_t name = with.tcti.rfind('/');
  with.tcti.insert(name, "/.");
  EXPECT_TRUE(signs(*open(with).open_scope(owner())->generate(kP256)));
  first->close();
}

TEST_F(TpmDeviceTest, FlushesASessionThatIsIdle) {
  TpmDeviceOptions with = options();
  const auto sessions = [&] { return burglar_->tpm().handles(TPM2_HR_HMAC_SESSION).size(); };
  for (const auto& [idle, left] : {std::pair{milliseconds(0), 0U}, {milliseconds(60'000), 1U}}) {
    with.session_idle = idle;
    Device& device = open(with);
    const auto key = device.open_scope(owner())->generate(kP256);
    EXPECT_TRUE(signs(*key));
    EXPECT_EQ(sessions(), 1U);
    EXPECT_EQ(device.retry_pending(), 0U);
    EXPECT_EQ(sessions(), left);
    EXPECT_TRUE(signs(*key));
    device.close();
  }
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
  TpmDeviceOptions impatient = options();
  impatient.timeout = seconds(1);
  Device& device = open(impatient);
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

TEST_F(TpmDeviceTest, ThrowsKillSwitchesAtTheCloseThoughTheConnectionWasLost) {
  TpmDeviceOptions with = options();
  with.kill_switch = true;
  with.timeout = seconds(1);
  Device& device = open(with);
  const auto key = device.open_scope(owner())->generate(kP256);
  const LootedKey stolen = burglar_->loot().at(0);
  swtpm_.freeze();
  EXPECT_EQ(failure_of([&] { signs(*key); }).rv(), CKR_DEVICE_REMOVED);
  swtpm_.thaw();
  EXPECT_TRUE(is_good(stolen.public_key, burglar_->sign(stolen, message_digest())));
  device.close();
  EXPECT_THAT(failure_of([&] { (void)burglar_->sign(stolen, message_digest()); }).rv(),
              testing::Ne(CKR_OK));
  EXPECT_EQ(counters(), 0U);
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
