// A TPM, or the way to it, that fails at any command: no hang, no key left, and work goes on.
#include <atomic>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "device/tpm/chip.h"
#include "integration/device/burglar.h"
#include "support/faulty_tcti.h"
#include "support/swtpm.h"

namespace mayfly::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTimeout{400};
constexpr milliseconds kPatience{20'000};
constexpr SignatureScheme kEcdsaSha256 = {Scheme::ecdsa, Hash::sha256};

/// A plan of faults in a file that the TCTI maps.
class Plan {
 public:
  Plan(const std::filesystem::path& file, const std::string& real_tcti) : file_(file) {
    const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (ftruncate(descriptor, sizeof(FaultPlan)) != 0) throw std::runtime_error("ftruncate");
    void* memory =
        mmap(nullptr, sizeof(FaultPlan), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (memory == MAP_FAILED) throw std::runtime_error("mmap");
    plan_ = new (memory) FaultPlan{};
    real_tcti.copy(plan_->real_tcti, sizeof plan_->real_tcti - 1);
  }
  ~Plan() { munmap(plan_, sizeof(FaultPlan)); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  FaultPlan* operator->() noexcept { return plan_; }

  [[nodiscard]] std::string tcti() const {
    return std::string(MAYFLY_FAULTY_TCTI) + ":" + file_.string();
  }

  void set(std::uint32_t at, Fault fault, bool lasts, std::uint32_t code = 0) {
    plan_->commands = 0;
    plan_->at = at;
    plan_->lasts = lasts;
    plan_->code = code;
    plan_->happened = false;
    plan_->fault = fault;
  }
  void heal() { plan_->fault = Fault::none; }

 private:
  std::filesystem::path file_;
  FaultPlan* plan_ = nullptr;
};

class TpmFaultTest : public testing::Test {
 protected:
  [[nodiscard]] TpmDeviceOptions options(bool kill_switch, milliseconds timeout) const {
    TpmDeviceOptions options;
    options.tcti = plan_.tcti();
    options.timeout = timeout;
    options.kill_switch = kill_switch;
    return options;
  }

  /// A small life: open, two keys, signatures, ends, close. What fails on the way must fail with an
  /// Error.
  /// @return how often something failed
  int live(bool kill_switch, milliseconds timeout = kPatience) {
    int failures = 0;
    const auto attempt = [&failures](const auto& action) {
      try {
        action();
      } catch (const Error& error) {
        EXPECT_NE(error.rv(), CKR_OK);
        EXPECT_STRNE(error.what(), "");
        ++failures;
      }
    };
    std::shared_ptr<tpm::Chip> chip;
    attempt([&] { chip = std::make_shared<tpm::Chip>(options(kill_switch, timeout)); });
    if (chip == nullptr) return failures;
    const auto device = tpm::make_tpm_device(chip);
    const auto scope =
        device->open_scope({"task", "0123456789abcdef", BootClock::now() + seconds(60)});
    std::vector<std::unique_ptr<DeviceKey>> keys;
    for (int i = 0; i < 2; ++i) {
      attempt([&] { keys.push_back(scope->generate({CKK_EC, 256})); });
      for (const auto& key : keys) attempt([&] { sign(*key); });
    }
    for (const auto& key : keys) (void)key->destroy();
    for (const auto& key : keys) EXPECT_THROW(sign(*key), Error);
    device->close();
    return failures;
  }

  static void sign(DeviceKey& key) {
    const Bytes digest(32, 7);
    Bytes signature(key.public_key().signature_size());
    signature.resize(key.sign({kEcdsaSha256, digest}, signature));
    EXPECT_TRUE(key.public_key().verify(kEcdsaSha256, digest, signature))
        << "a wrong signature was given out";
  }

  /// After a life that failed somewhere, the next one is good and leaves nothing but what is not
  /// mayfly's to end.
  void expect_good_life(bool kill_switch, const std::string& after) {
    plan_.heal();
    EXPECT_EQ(live(kill_switch), 0) << after;
    tpm::Tpm tpm({swtpm_.tcti(), seconds(10)});
    EXPECT_EQ(tpm.handles(TPM2_HR_TRANSIENT).size(), 0U) << "keys are left, " << after;
    EXPECT_EQ(tpm.handles(TPM2_HR_NV_INDEX).size(), 0U) << "counters are left, " << after;
    const auto sessions = tpm.handles(TPM2_HR_HMAC_SESSION);
    // A session whose handle never reached mayfly is nobody's: there is no resource manager here,
    // and nothing proves whose it is.
    const bool handle_lost =
        plan_->happened && plan_->command_code == TPM2_CC_StartAuthSession && reaches_the_tpm_;
    EXPECT_LE(sessions.size(), handle_lost ? 1U : 0U)
        << "sessions are left, " << after << ", command " << std::hex << plan_->command_code;
    for (const TPM2_HANDLE session : sessions) tpm.flush_context(session);
  }

  /// How many commands a life without faults takes.
  std::uint32_t count_commands(bool kill_switch) {
    plan_.set(0, Fault::none, false);
    EXPECT_EQ(live(kill_switch), 0);
    return plan_->commands;
  }

  bool reaches_the_tpm_ = true;  // the command, whatever becomes of its answer
  Swtpm swtpm_;
  TempFolder folder_;
  Plan plan_{folder_.path() / "plan", swtpm_.tcti()};
};

/// Every command of a life, with one fault each.
class TpmFaultAtEachCommand : public TpmFaultTest, public testing::WithParamInterface<Fault> {};

TEST_P(TpmFaultAtEachCommand, LeavesNothingBehind) {
  const Fault fault = GetParam();
  // What is waited for takes the whole time, each time: some of the commands then.
  const bool slow = fault == Fault::command_lost || fault == Fault::answer_lost;
  reaches_the_tpm_ = fault != Fault::not_sent && fault != Fault::command_lost;
  for (const bool kill_switch : {false, true}) {
    const std::uint32_t commands = count_commands(kill_switch);
    ASSERT_GT(commands, 20U);
    for (std::uint32_t at = kill_switch ? 1 : 0; at < commands; at += slow ? 11 : 1) {
      plan_.set(at, fault, false, TPM2_RC_FAILURE);
      const auto start = std::chrono::steady_clock::now();
      (void)live(kill_switch, slow ? kTimeout : kPatience);
      EXPECT_LT(std::chrono::steady_clock::now() - start, kPatience) << "it hangs";
      EXPECT_TRUE(plan_->happened) << "at command " << at;
      expect_good_life(kill_switch, "at command " + std::to_string(at));
    }
  }
}

std::string name_of(const testing::TestParamInfo<Fault>& tested) {
  switch (tested.param) {
    case Fault::not_sent:
      return "NotSent";
    case Fault::command_lost:
      return "CommandLost";
    case Fault::answer_lost:
      return "AnswerLost";
    case Fault::answer_cut:
      return "AnswerCut";
    case Fault::answer_cut_neatly:
      return "AnswerCutNeatly";
    case Fault::answer_garbage:
      return "AnswerGarbage";
    case Fault::io_error:
      return "IoError";
    default:
      return "FailureCode";
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, TpmFaultAtEachCommand,
                         testing::Values(Fault::not_sent, Fault::command_lost, Fault::answer_lost,
                                         Fault::answer_cut, Fault::answer_cut_neatly,
                                         Fault::answer_garbage, Fault::io_error,
                                         Fault::code_instead),
                         name_of);

TEST_F(TpmFaultTest, GivesACommandAgainThatTheTpmWantsAgain) {
  for (const TPM2_RC code : {TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING, TPM2_RC_NV_RATE}) {
    tpm::Tpm tpm({plan_.tcti(), kTimeout});
    plan_.set(0, Fault::code_instead, false, code);
    EXPECT_NO_THROW((void)tpm.read_clock());
    EXPECT_EQ(plan_->commands, 2U);
    // Not for ever, and then it says what the TPM said.
    plan_.set(0, Fault::code_instead, true, code);
    try {
      (void)tpm.read_clock();
      ADD_FAILURE() << "the TPM never did it";
    } catch (const tpm::TpmError& error) {
      EXPECT_TRUE(error.is(code)) << error.what();
    }
    EXPECT_GT(plan_->commands, 3U);
    plan_.heal();
    EXPECT_TRUE(tpm.usable());
  }
}

TEST_F(TpmFaultTest, AsksATpmThatFailsOnce) {
  const auto device =
      tpm::make_tpm_device(std::make_shared<tpm::Chip>(options(/*kill_switch=*/false, kPatience)));
  const auto key = device->open_scope({"task", "0123456789abcdef", BootClock::time_point::max()})
                       ->generate({CKK_EC, 256});
  sign(*key);
  plan_.set(0, Fault::code_instead, true, TPM2_RC_FAILURE);
  EXPECT_THROW(sign(*key), Error);
  EXPECT_EQ(plan_->commands, 2U) << "the policy's first command, and the flush of its session";
  plan_.heal();
  sign(*key);
  device->close();
}

TEST_F(TpmFaultTest, DoesNotWaitAgainForATpmThatDidNotAnswerAMomentAgo) {
  const auto device = tpm::make_tpm_device(
      std::make_shared<tpm::Chip>(options(/*kill_switch=*/false, milliseconds(1'500))));
  const auto scope = device->open_scope({"task", "0123456789abcdef", BootClock::time_point::max()});
  plan_.set(0, Fault::command_lost, true);
  EXPECT_THROW((void)scope->generate({CKK_EC, 256}), Error);  // gives the connection up
  EXPECT_THROW((void)scope->generate({CKK_EC, 256}), Error);  // tries to connect
  const std::uint32_t asked = plan_->commands;
  EXPECT_THROW((void)scope->generate({CKK_EC, 256}), Error);
  EXPECT_EQ(plan_->commands, asked);
  plan_.heal();
  device->close();
}

TEST_F(TpmFaultTest, GivesOutASignatureThoughItsSessionCanNotBeFlushed) {
  const auto device =
      tpm::make_tpm_device(std::make_shared<tpm::Chip>(options(/*kill_switch=*/false, kPatience)));
  const auto scope = device->open_scope({"task", "0123456789abcdef", BootClock::time_point::max()});
  const auto key = scope->generate({CKK_EC, 256});
  tpm::Tpm others({swtpm_.tcti(), seconds(10)});
  const TPM2_HANDLE taken[] = {others.start_policy_session(), others.start_policy_session()};
  plan_.set(0, Fault::none, false);
  sign(*key);  // with a session for one signature only
  plan_.set(plan_->commands - 1, Fault::not_sent, false);
  EXPECT_NO_THROW(sign(*key));
  EXPECT_TRUE(plan_->happened);
  EXPECT_EQ(plan_->command_code, TPM2_CC_FlushContext);
  EXPECT_NO_THROW(sign(*scope->generate({CKK_EC, 256})));
  for (const TPM2_HANDLE session : taken) others.flush_context(session);
  device->close();
  EXPECT_TRUE(others.handles(TPM2_HR_HMAC_SESSION).empty());
}

/// A registry that is away: each change fails, or waits.
class JournalThatIsAway final : public KeyJournal {
 public:
  [[nodiscard]] const std::string& host() const noexcept override { return host_; }
  void add(const JournalEntry&) override { change(); }
  void remove(ByteView) override { change(); }
  void give_up(ByteView) override { change(); }
  [[nodiscard]] std::vector<JournalEntry> entries(const std::string&) override { return {}; }

  std::atomic<bool> away{false};
  std::atomic<int> failures{0};

 private:
  void change() {
    if (!away) return;
    ++failures;
    throw Error(CKR_FUNCTION_FAILED, "database is locked");
  }

  const std::string host_ = "0123456789ab";
};

TEST_F(TpmFaultTest, SignsWithoutTheRegistry) {
  for (const bool encrypt : {false, true}) {
    TpmDeviceOptions with = options(/*kill_switch=*/false, kPatience);
    const auto journal = std::make_shared<JournalThatIsAway>();
    with.journal = journal;
    with.encrypt = encrypt;
    with.session_idle = milliseconds(0);
    const auto device = tpm::make_tpm_device(std::make_shared<tpm::Chip>(with));
    const auto scope =
        device->open_scope({"task", "0123456789abcdef", BootClock::time_point::max()});
    const auto key = scope->generate({CKK_EC, 256});
    tpm::Tpm others({swtpm_.tcti(), seconds(10)});
    EXPECT_EQ(others.handles(TPM2_HR_HMAC_SESSION).size(), 1U) << "it is kept";
    journal->away = true;
    EXPECT_NO_THROW(sign(*key));
    (void)device->retry_pending();  // the session is idle
    EXPECT_EQ(journal->failures, 1);
    EXPECT_TRUE(others.handles(TPM2_HR_HMAC_SESSION).empty());
    EXPECT_NO_THROW(sign(*key));
    EXPECT_EQ(journal->failures, 1) << "a signature asked the registry";
    EXPECT_NO_THROW(sign(*scope->generate({CKK_EC, 256})));
    (void)device->retry_pending();
    EXPECT_EQ(journal->failures, 1) << "it is given a rest";
    EXPECT_TRUE(others.handles(TPM2_HR_HMAC_SESSION).empty());
    device->close();
  }
}

TEST_F(TpmFaultTest, KeepsASessionOnlyWhenItIsRecorded) {
  TpmDeviceOptions with = options(/*kill_switch=*/false, kPatience);
  const auto journal = std::make_shared<JournalThatIsAway>();
  with.journal = journal;
  with.session_idle = milliseconds(0);
  const auto device = tpm::make_tpm_device(std::make_shared<tpm::Chip>(with));
  const auto scope = device->open_scope({"task", "0123456789abcdef", BootClock::time_point::max()});
  const auto key = scope->generate({CKK_EC, 256});
  tpm::Tpm others({swtpm_.tcti(), seconds(10)});
  const auto sessions = [&] { return others.handles(TPM2_HR_HMAC_SESSION).size(); };
  (void)device->retry_pending();
  EXPECT_EQ(sessions(), 0U) << "it is idle";
  sign(*key);
  EXPECT_EQ(sessions(), 0U) << "it is on no record";
  (void)device->retry_pending();
  EXPECT_EQ(sessions(), 1U) << "one was missed";
  (void)device->retry_pending();
  EXPECT_EQ(sessions(), 0U);
  journal->away = true;
  EXPECT_NO_THROW(sign(*scope->generate({CKK_EC, 256})));
  EXPECT_EQ(journal->failures, 1);
  EXPECT_EQ(sessions(), 0U) << "it is on no record";
  device->close();
}

TEST_F(TpmFaultTest, WaitsForAnAnswerThatIsLateButInTime) {
  tpm::Tpm tpm({plan_.tcti(), seconds(20)});
  plan_.set(0, Fault::answer_late, false);
  plan_->delay_ms = 200;
  EXPECT_NO_THROW((void)tpm.read_clock());
}

TEST_F(TpmFaultTest, TellsWhatALockoutIs) {
  tpm::Tpm tpm({plan_.tcti(), kTimeout});
  plan_.set(0, Fault::code_instead, false, TPM2_RC_LOCKOUT);
  try {
    (void)tpm.read_clock();
    ADD_FAILURE() << "it did not fail";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("dictionary attack lockout"));
  }
}

}  // namespace
}  // namespace mayfly::test
