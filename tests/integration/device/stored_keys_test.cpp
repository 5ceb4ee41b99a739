// Keys that are stored on the device: made under a record, found again by it, and reaped.
#include <array>
#include <csignal>
#include <dlfcn.h>
#include <functional>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "compose/registry_journal.h"
#include "device/pkcs11/stored_key_name.h"
#include "device/pkcs11/token_objects.h"
#include "device/pkcs11/token_search.h"
#include "device/pkcs11/vendor_module.h"
#include "integration/device/pkcs11_test_device.h"
#include "registry/sqlite/sqlite_registry.h"
#include "support/faulty_module.h"
#include "support/raw_module.h"

namespace mayfly::test {
namespace {

using pkcs11::StoredKeyName;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// The token as somebody else sees it who has the PIN too.
class Bystander {
 public:
  explicit Bystander(const SoftHsmToken& token)
      : module_(SoftHsmToken::module_path()), session_(module_, module_.slot_of(token.label())) {
    const SecretBuffer secret = token.pin();
    Bytes pin = to_bytes(secret.view());
    const CK_RV rv = module_->C_Login(session_.handle(), CKU_USER, pin.data(), pin.size());
    if (rv != CKR_USER_ALREADY_LOGGED_IN) expect_ok(rv, "C_Login");
  }

  /// Makes a token object that is a P-256 key, private or public.
  void make_key(CK_OBJECT_CLASS object_class, std::string label, Bytes id) {
    CK_KEY_TYPE type = CKK_EC;
    CK_BBOOL yes = CK_TRUE;
    Bytes curve = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    Bytes value(32, 1);
    Bytes point(67, 4);
    std::vector<CK_ATTRIBUTE> wanted = {{CKA_CLASS, &object_class, sizeof object_class},
                                        {CKA_KEY_TYPE, &type, sizeof type},
                                        {CKA_TOKEN, &yes, sizeof yes},
                                        {CKA_LABEL, label.data(), label.size()},
                                        {CKA_ID, id.data(), id.size()},
                                        {CKA_EC_PARAMS, curve.data(), curve.size()}};
    wanted.push_back(object_class == CKO_PRIVATE_KEY
                         ? CK_ATTRIBUTE{CKA_VALUE, value.data(), value.size()}
                         : CK_ATTRIBUTE{CKA_EC_POINT, point.data(), point.size()});
    CK_OBJECT_HANDLE made = 0;
    expect_ok(module_->C_CreateObject(session_.handle(), wanted.data(), wanted.size(), &made),
              "C_CreateObject");
  }

  [[nodiscard]] std::vector<std::string> labels(CK_OBJECT_CLASS object_class) {
    std::vector<std::string> labels;
    for (const CK_OBJECT_HANDLE object :
         pkcs11::find_objects(module_.functions(), session_.handle(),
                              {{CKA_CLASS, &object_class, sizeof object_class}})) {
      labels.push_back(
          pkcs11::read_name(module_.functions(), session_.handle(), object).value().label);
    }
    return labels;
  }

 private:
  RawModule module_;
  RawSession session_;
};

std::string identity_of(const SoftHsmToken& token) {
  pkcs11::VendorModule module(SoftHsmToken::module_path().string());
  module.initialize();
  const std::string identity = pkcs11::find_token(module, token.uri()).identity();
  module.close();
  return identity;
}

constexpr std::uint64_t kLongAgo = 1'000'000'000;
constexpr std::uint64_t kFarAhead = 4'000'000'000;
constexpr std::uint64_t kNobody = 1;  // when no process that lives now was started
constexpr char kOtherBoot[] = "00000000000000ff";
constexpr char kOtherHost[] = "00000000000f";

class StoredKeysTest : public testing::Test {
 protected:
  StoredKeysTest() : library_(dlopen(MAYFLY_FAULTY_MODULE, RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) throw std::runtime_error(dlerror());
    faults_ = static_cast<FaultyModule*>(dlsym(library_, "faulty_module"));
    faults_->reset();
  }
  ~StoredKeysTest() override {
    faults_->reset();
    close();
    dlclose(library_);
  }

  [[nodiscard]] std::filesystem::path registry_file() const {
    return token_.folder() / "registry.db";
  }
  [[nodiscard]] std::unique_ptr<Registry> registry() const {
    return open_sqlite_registry(registry_file());
  }

  Device& open() {
    Pkcs11DeviceOptions options = options_for(token_);
    options.module = MAYFLY_FAULTY_MODULE;
    options.storage = KeyStorage::stored;
    options.journal = std::make_shared<RegistryJournal>(registry());
    device_ = open_pkcs11_device(std::move(options));
    return *device_;
  }
  void close() {
    if (device_ != nullptr) device_->close();
    device_.reset();
  }

  /// Lets another process make keys and be killed.
  /// @return how many keys it said that it has made.
  int in_a_process_that_is_killed(const std::function<int()>& action) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) throw std::runtime_error("pipe");
    const pid_t child = fork();
    if (child == 0) {
      const int made = action();
      if (write(ends[1], &made, sizeof made) < 0) _exit(1);
      pause();
    }
    ::close(ends[1]);
    int made = -1;
    if (read(ends[0], &made, sizeof made) != sizeof made) made = -1;
    ::close(ends[0]);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return made;
  }

  /// Leaves keys of a dead process on the device.
  void leave_keys(int count) {
    const int made = in_a_process_that_is_killed([&] {
      auto scope = open().open_scope(any_owner());
      for (int i = 0; i < count; ++i) {
        if (scope->generate(kP256).release() == nullptr) return -1;
      }
      return count;
    });
    ASSERT_EQ(made, count);
  }

  std::size_t keys() { return token_.count_objects(CKO_PRIVATE_KEY); }
  std::size_t public_keys() { return token_.count_objects(CKO_PUBLIC_KEY); }
  std::vector<StoredKeyRecord> records() { return registry()->stored_keys(identity_); }

  /// Makes an object of somebody else's, or one that says it is mayfly's.
  void make_object(const std::string& label, const Bytes& id, CK_OBJECT_CLASS object_class) {
    Bystander(token_).make_key(object_class, label, id);
  }

  [[nodiscard]] StoredKeyName name_of(const std::function<void(StoredKeyName::Parts&)>& change) {
    StoredKeyName::Parts parts{registry()->host(), ProcessIdentity::self(), "0123456789abcdef",
                               kFarAhead};
    change(parts);
    return StoredKeyName::make(parts);
  }

  SoftHsmToken token_;
  void* library_;
  FaultyModule* faults_;
  std::unique_ptr<Device> device_;
  std::string identity_ = identity_of(token_);
};

TEST_F(StoredKeysTest, AreOnTheTokenUnderAName) {
  const auto key = open().open_scope(any_owner())->generate(kP256);
  const auto recorded = records();
  ASSERT_THAT(recorded, SizeIs(1));
  EXPECT_EQ(recorded[0].task_id, any_owner().task_id);
  const auto name = StoredKeyName::parse(recorded[0].label, recorded[0].id);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->parts().owner, ProcessIdentity::self());
  EXPECT_EQ(name->parts().task, any_owner().serial);
  Bystander other(token_);
  EXPECT_THAT(other.labels(CKO_PRIVATE_KEY), ElementsAre(recorded[0].label));
  EXPECT_THAT(other.labels(CKO_PUBLIC_KEY), ElementsAre(recorded[0].label));
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_EQ(keys() + public_keys(), 0U);
}

TEST_F(StoredKeysTest, AreRecordedBeforeTheyAreMade) {
  const auto scope = open().open_scope(any_owner());
  std::filesystem::permissions(registry_file(), std::filesystem::perms::none);
  std::filesystem::rename(registry_file(), token_.folder() / "elsewhere");
  std::string message;
  EXPECT_EQ(answer_of([&] { scope->generate(kP256); }, &message), CKR_FUNCTION_FAILED);
  EXPECT_THAT(message, HasSubstr("registry"));
  EXPECT_EQ((*faults_)[Call::generate_key_pair].calls, 0U);
}

TEST_F(StoredKeysTest, AKilledProcessLeavesThemAndTheReaperDestroysThem) {
  leave_keys(3);
  Device& device = open();
  EXPECT_EQ(keys(), 3U);
  const ReapReport report = device.reap(ReapReach::recorded, EarlierBoots::may_live);
  EXPECT_EQ(report.destroyed, 3U);
  EXPECT_EQ(report.pending + report.alive, 0U);
  EXPECT_EQ(keys() + public_keys(), 0U);
  EXPECT_THAT(records(), IsEmpty());
}

TEST_F(StoredKeysTest, WithoutARecordTheDeviceItselfProvesThem) {
  leave_keys(2);
  for (const StoredKeyRecord& record : records()) registry()->remove_stored_key(record.id);
  Device& device = open();
  EXPECT_EQ(device.reap(ReapReach::recorded, EarlierBoots::may_live).destroyed, 0U);
  EXPECT_EQ(device.reap(ReapReach::device, EarlierBoots::may_live).destroyed, 2U);
  EXPECT_EQ(keys() + public_keys(), 0U);
}

/// Their machine may have been cloned, and a process of their number live on the other one.
TEST_F(StoredKeysTest, OfAnotherRegistryAreLeftUntilTheDeadline) {
  leave_keys(2);
  std::filesystem::remove(registry_file());
  Device& device = open();
  EXPECT_EQ(device.reap(ReapReach::device, EarlierBoots::are_over).alive, 2U);
  EXPECT_EQ(keys(), 2U);
}

TEST_F(StoredKeysTest, OfTheLivingAreLeftAlone) {
  leave_keys(1);
  Device& device = open();
  const auto key = device.open_scope(any_owner())->generate(kP256);
  const ReapReport report = device.reap(ReapReach::device, EarlierBoots::may_live);
  EXPECT_EQ(report.destroyed, 1U);
  EXPECT_EQ(report.alive, 1U);
  EXPECT_TRUE(signs(*key));
  EXPECT_THAT(records(), SizeIs(1));
}

TEST_F(StoredKeysTest, OfAnotherLivingProcessAreLeftAlone) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto key = open().open_scope(any_owner())->generate(kP256);
    if (write(ends[1], "1", 1) < 0) _exit(1);
    pause();
  }
  char ready = 0;
  ASSERT_EQ(read(ends[0], &ready, 1), 1);
  Device& device = open();
  EXPECT_EQ(device.reap(ReapReach::device, EarlierBoots::may_live).alive, 1U);
  EXPECT_EQ(keys(), 1U);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(device.reap(ReapReach::device, EarlierBoots::may_live).destroyed, 1U);
  EXPECT_EQ(keys(), 0U);
}

struct Verdict {
  const char* name;
  std::function<void(StoredKeyName::Parts&)> change;
  bool dead;
  bool dead_if_rebooted;
};
void PrintTo(const Verdict& verdict, std::ostream* out) { *out << verdict.name; }

class Verdicts : public StoredKeysTest, public testing::WithParamInterface<Verdict> {};

/// Each is on the device and in no record.
TEST_P(Verdicts, OnlyTheProvenDeadAreDestroyed) {
  const Verdict& verdict = GetParam();
  const StoredKeyName name = name_of(verdict.change);
  make_object(name.label(), name.id(), CKO_PRIVATE_KEY);
  Device& device = open();
  const ReapReport report = device.reap(ReapReach::device, EarlierBoots::may_live);
  EXPECT_EQ(report.destroyed, verdict.dead ? 1U : 0U);
  EXPECT_EQ(report.alive, verdict.dead ? 0U : 1U);
  EXPECT_EQ(keys(), verdict.dead ? 0U : 1U);
  if (verdict.dead) return;
  device.reap(ReapReach::device, EarlierBoots::are_over);
  EXPECT_EQ(keys(), verdict.dead_if_rebooted ? 0U : 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Owners, Verdicts,
    testing::Values(
        Verdict{"ThisProcess", [](auto&) {}, false, false},
        Verdict{"ThisProcessWhenTheClockWasWrong", [](auto& p) { p.until = kLongAgo; }, false,
                false},
        Verdict{"AProcessThatNeverWas", [](auto& p) { p.owner.started = kNobody; }, true, true},
        Verdict{"AnEarlierBoot", [](auto& p) { p.owner.boot = kOtherBoot; }, false, true},
        Verdict{"AnEarlierBootAfterTheDeadline",
                [](auto& p) {
                  p.owner.boot = kOtherBoot;
                  p.until = kLongAgo;
                },
                true, true},
        Verdict{"AnotherMachine",
                [](auto& p) {
                  p.host = kOtherHost;
                  p.owner.boot = kOtherBoot;
                },
                false, false},
        Verdict{"ACloneOfThisMachineWhileItRan",
                [](auto& p) {
                  p.host = kOtherHost;
                  p.owner.started = kNobody;
                },
                false, false},
        Verdict{"AnotherMachineAfterTheDeadline",
                [](auto& p) {
                  p.host = kOtherHost;
                  p.until = kLongAgo;
                },
                true, true},
        Verdict{"AnotherMachineJustAfterTheDeadline",
                [](auto& p) {
                  p.host = kOtherHost;
                  p.until = static_cast<std::uint64_t>(time(nullptr)) - 100;
                },
                false, false},
        Verdict{"AnotherMachineWithAForgedDeadline",
                [](auto& p) {
                  p.host = kOtherHost;
                  p.until = ~std::uint64_t{0} - 1;
                },
                false, false},
        Verdict{"AnotherNamespace", [](auto& p) { ++p.owner.pid_namespace; }, false, false},
        Verdict{"AnotherNamespaceAfterTheDeadline",
                [](auto& p) {
                  ++p.owner.pid_namespace;
                  p.until = kLongAgo;
                },
                true, true}),
    [](const auto& verdict) { return std::string(verdict.param.name); });

TEST_F(StoredKeysTest, ForeignObjectsAreNeverTouched) {
  const StoredKeyName dead = name_of([](auto& p) { p.owner.started = kNobody; });
  const StoredKeyName other = name_of([](auto& p) { p.owner.started = 2; });
  make_object("precious", Bytes{1}, CKO_PRIVATE_KEY);
  make_object("", {}, CKO_PRIVATE_KEY);
  make_object("mayfly1:", dead.id(), CKO_PRIVATE_KEY);
  make_object(dead.label(), Bytes{1, 2, 3}, CKO_PRIVATE_KEY);    // a label copied by a person
  make_object(dead.label(), other.id(), CKO_PRIVATE_KEY);        // another's ID
  make_object(dead.label() + "\n", dead.id(), CKO_PRIVATE_KEY);  // nearly
  make_object("precious", dead.id(), CKO_PUBLIC_KEY);            // the ID of a dead key
  make_object(std::string(300, 'x'), Bytes(300, 7), CKO_PRIVATE_KEY);
  leave_keys(1);
  make_object(dead.label(), dead.id(), CKO_PRIVATE_KEY);
  const ReapReport report = open().reap(ReapReach::device, EarlierBoots::may_live);
  EXPECT_EQ(report.destroyed, 1U);
  EXPECT_EQ(report.foreign, 8U);
  // What shares the ID of a dead key but not its label keeps the reaper from being sure of it.
  EXPECT_EQ(report.pending, 1U);
  EXPECT_EQ(keys(), 7U);
  EXPECT_EQ(public_keys(), 1U);
}

TEST_F(StoredKeysTest, APublicHalfLeftAloneIsDestroyedToo) {
  const StoredKeyName dead = name_of([](auto& p) { p.owner.started = kNobody; });
  make_object(dead.label(), dead.id(), CKO_PUBLIC_KEY);
  EXPECT_EQ(open().reap(ReapReach::device, EarlierBoots::may_live).destroyed, 1U);
  EXPECT_EQ(public_keys(), 0U);
}

TEST_F(StoredKeysTest, NothingIsReapedWhenTheDeviceCanNotBeSearched) {
  leave_keys(2);
  Device& device = open();
  for (const Call call : {Call::find_objects_init, Call::find_objects, Call::get_attribute_value}) {
    faults_->fail(call, CKR_DEVICE_ERROR);
    EXPECT_EQ(answer_of([&] { device.reap(ReapReach::device, EarlierBoots::may_live); }),
              CKR_DEVICE_ERROR);
    EXPECT_EQ(keys(), 2U);
  }
  EXPECT_EQ(device.reap(ReapReach::device, EarlierBoots::may_live).destroyed, 2U);
}

TEST_F(StoredKeysTest, NothingIsReapedWhenARecordIsDamaged) {
  leave_keys(1);
  registry()->add_stored_key({Bytes(32, 1), "nonsense", identity_, "t"});
  EXPECT_EQ(answer_of([&] { open().reap(ReapReach::device, EarlierBoots::may_live); }),
            CKR_FUNCTION_FAILED);
  EXPECT_EQ(keys(), 1U);
}

TEST_F(StoredKeysTest, AForgedRecordHarmsNobody) {
  const StoredKeyName forged = name_of([](auto& p) { p.owner.started = kNobody; });
  make_object("precious", Bytes{1}, CKO_PRIVATE_KEY);
  registry()->add_stored_key({forged.id(), forged.label(), identity_, "t"});
  const ReapReport report = open().reap(ReapReach::device, EarlierBoots::may_live);
  EXPECT_EQ(report.destroyed, 0U);
  EXPECT_EQ(report.missing, 1U);
  EXPECT_EQ(keys(), 1U);
}

/// Killed while the device was at making it: then it may appear after it was looked for.
TEST_F(StoredKeysTest, AKeyThatAppearsAfterItsOwnersDeathIsFoundTheNextTime) {
  const StoredKeyName late = name_of([](auto& p) { p.owner.started = kNobody; });
  registry()->add_stored_key({late.id(), late.label(), identity_, "t"});
  Device& device = open();
  EXPECT_EQ(device.reap(ReapReach::recorded, EarlierBoots::may_live).missing, 1U);
  make_object(late.label(), late.id(), CKO_PRIVATE_KEY);
  EXPECT_EQ(device.reap(ReapReach::recorded, EarlierBoots::may_live).destroyed, 1U);
  EXPECT_EQ(keys(), 0U);
  EXPECT_THAT(records(), IsEmpty());
}

TEST_F(StoredKeysTest, ARecordOfNothingIsDroppedAfterTheDeadline) {
  const StoredKeyName gone = name_of([](auto& p) {
    p.owner.started = kNobody;
    p.until = kLongAgo;
  });
  registry()->add_stored_key({gone.id(), gone.label(), identity_, "t"});
  EXPECT_EQ(open().reap(ReapReach::recorded, EarlierBoots::may_live).missing, 0U);
  EXPECT_THAT(records(), IsEmpty());
}

TEST_F(StoredKeysTest, AreNotMadeOnADeviceThatDoesNotKeepTheirName) {
  const auto scope = open().open_scope(any_owner());
  for (const CK_ATTRIBUTE_TYPE attribute : {CKA_ID, CKA_LABEL}) {
    faults_->lie_about = attribute;
    std::string message;
    EXPECT_EQ(answer_of([&] { scope->generate(kP256); }, &message), CKR_DEVICE_ERROR);
    EXPECT_THAT(message, HasSubstr("could not be found again"));
    EXPECT_EQ(keys() + public_keys(), 0U);
  }
}

TEST_F(StoredKeysTest, WhatAClosedDeviceLeftIsReapedByTheSameProcess) {
  const auto key = open().open_scope(any_owner())->generate(kP256);
  faults_->fail(Call::destroy_object, CKR_DEVICE_ERROR, FaultyModule::kAlways);
  close();
  faults_->reset();
  EXPECT_EQ(open().reap(ReapReach::recorded, EarlierBoots::may_live).destroyed, 1U);
  EXPECT_EQ(keys(), 0U);
}

/// SoftHSM2 finds its objects again only when it is started anew.
TEST_F(StoredKeysTest, ATokenFolderThatIsTakenAwayIsNoDestruction) {
  Device& device = open();
  const auto key = device.open_scope(any_owner())->generate(kP256);
  const auto tokens = token_.folder() / "tokens";
  std::filesystem::rename(tokens, token_.folder() / "away");
  EXPECT_EQ(key->destroy(), Destruction::pending);
  EXPECT_EQ(device.retry_pending(), 1U);
  std::filesystem::rename(token_.folder() / "away", tokens);
  close();
  EXPECT_EQ(open().reap(ReapReach::recorded, EarlierBoots::may_live).destroyed, 1U);
  EXPECT_EQ(keys() + public_keys(), 0U);
  EXPECT_THAT(records(), IsEmpty());
}

TEST_F(StoredKeysTest, AFaultAtTheLoginIsNotForEver) {
  Device& device = open();
  const auto key = device.open_scope(any_owner())->generate(kP256);
  faults_->logged_out = true;
  faults_->fail(Call::login, CKR_DEVICE_ERROR, 2);
  EXPECT_EQ(key->destroy(), Destruction::pending);
  faults_->reset();
  EXPECT_EQ(device.retry_pending(), 0U);
  EXPECT_EQ(keys(), 0U);
}

TEST_F(StoredKeysTest, AKeyWhoseMakingFailedHalfWayIsDestroyed) {
  const auto scope = open().open_scope(any_owner());
  faults_->fail(Call::get_attribute_value, CKR_DEVICE_ERROR);
  EXPECT_EQ(answer_of([&] { scope->generate(kP256); }), CKR_DEVICE_ERROR);
  EXPECT_EQ(keys() + public_keys(), 0U);
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_EQ(device_->health().pending, 0U);
}

TEST_F(StoredKeysTest, AKeyThatCanNotBeDestroyedIsOwedUntilItIs) {
  Device& device = open();
  const auto key = device.open_scope(any_owner())->generate(kP256);
  faults_->fail(Call::destroy_object, CKR_DEVICE_ERROR, FaultyModule::kAlways);
  EXPECT_EQ(key->destroy(), Destruction::pending);
  EXPECT_EQ(device.health().pending, 1U);
  EXPECT_THAT(records(), SizeIs(1));
  EXPECT_EQ(answer_of([&] { signs(*key); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(device.retry_pending(), 1U);
  faults_->reset();
  EXPECT_EQ(device.retry_pending(), 0U);
  EXPECT_EQ(keys(), 0U);
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
}

TEST_F(StoredKeysTest, ThatNothingIsFoundIsNoProofWithoutALogin) {
  Device& device = open();
  const auto key = device.open_scope(any_owner())->generate(kP256);
  faults_->logged_out = true;
  faults_->find_nothing = true;
  EXPECT_EQ(key->destroy(), Destruction::pending);
  faults_->reset();
  EXPECT_EQ(device.retry_pending(), 0U);
  EXPECT_EQ(keys(), 0U);
}

TEST_F(StoredKeysTest, ATokenThatIsAwayDoesNotHideAKey) {
  Device& device = open();
  const auto key = device.open_scope(any_owner())->generate(kP256);
  faults_->fail(Call::get_token_info, CKR_TOKEN_NOT_PRESENT, FaultyModule::kAlways);
  faults_->find_nothing = true;
  EXPECT_EQ(key->destroy(), Destruction::pending);
  faults_->reset();
  EXPECT_EQ(device.retry_pending(), 0U);
  EXPECT_EQ(keys(), 0U);
}

TEST_F(StoredKeysTest, SignAgainAfterTheirSessionsDied) {
  Device& device = open();
  const auto key = device.open_scope(any_owner())->generate(kP256);
  const auto other = device.open_scope(any_owner())->generate(kP256);
  EXPECT_TRUE(signs(*key));
  faults_->fail(Call::sign_init, CKR_SESSION_HANDLE_INVALID);
  EXPECT_TRUE(signs(*key));
  faults_->fail(Call::sign_init, CKR_KEY_HANDLE_INVALID);
  EXPECT_TRUE(signs(*key));
  EXPECT_TRUE(signs(*other));
}

TEST_F(StoredKeysTest, AreDestroyedWhenTheDeviceIsClosed) {
  const auto key = open().open_scope(any_owner())->generate(kP256);
  close();
  EXPECT_THAT(records(), IsEmpty());
  open();
  EXPECT_EQ(keys() + public_keys(), 0U);
}

}  // namespace
}  // namespace mayfly::test
