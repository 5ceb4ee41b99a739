// Devices that fail in mid-flight, go away and come back while threads sign, and devices with fewer
// sessions than tasks.
#include <array>
#include <atomic>
#include <filesystem>
#include <iostream>
#include <thread>

#include <gtest/gtest.h>

#include "conformance/answers.h"
#include "conformance/fixture.h"
#include "conformance/independent_check.h"
#include "fault/fault_device.h"
#include "fault/truthful_answers.h"

namespace mayfly::test {
namespace {

const Bytes kDigest = Bytes(32, 0x5a);

/// One task of its own with one key, and a thread's work with it.
class Worker {
 public:
  Worker(Provider& provider, const std::string& name)
      : p11_(provider.functions()), vendor_(provider.vendor()) {
    const MAYFLY_TASK_REQUEST request{name.c_str(), 0, nullptr, nullptr, nullptr};
    note("MAYFLY_OpenTask", vendor_.MAYFLY_OpenTask(&request, &slot_));
    note("C_OpenSession", p11_.C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                                             nullptr, &session_));
    Template public_template = kP256.public_template();
    Template private_template = {{CKA_SIGN, true}};
    CK_MECHANISM mechanism{kP256.generator, nullptr, 0};
    CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
    note("C_GenerateKeyPair",
         p11_.C_GenerateKeyPair(session_, &mechanism, public_template.data(),
                                public_template.size(), private_template.data(),
                                private_template.size(), &public_key, &key_));
    if (failures_ != 0) return;
    std::array<CK_BYTE, 100> point;
    CK_ATTRIBUTE attribute{CKA_EC_POINT, point.data(), point.size()};
    note("C_GetAttributeValue", p11_.C_GetAttributeValue(session_, public_key, &attribute, 1));
    check_ = ec_public_key(CKK_EC, kP256.curve(),
                           Bytes(point.begin(), point.begin() + attribute.ulValueLen));
  }

  /// Whether a signature came out; it must be a good one.
  bool sign() {
    if (!has_key()) return false;
    CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
    if (!note("C_SignInit", p11_.C_SignInit(session_, &mechanism, key_))) return false;
    Bytes signature(64);
    CK_ULONG size = signature.size();
    if (!note("C_Sign", p11_.C_Sign(session_, const_cast<CK_BYTE*>(kDigest.data()), kDigest.size(),
                                    signature.data(), &size))) {
      return false;
    }
    if (!is_signature(check_.get(), {SignatureForm::Scheme::ecdsa}, kDigest, signature)) ++bad_;
    ++made_;
    return true;
  }

  void close() {
    if (!task_gone()) note("MAYFLY_CloseTask", vendor_.MAYFLY_CloseTask(slot_));
  }

  [[nodiscard]] bool has_key() const noexcept { return check_ != nullptr; }
  [[nodiscard]] bool task_gone() const {
    MAYFLY_TASK_INFO info;
    return vendor_.MAYFLY_TaskInfo(slot_, &info) != CKR_OK || info.state > MAYFLY_TASK_ACTIVE;
  }
  [[nodiscard]] unsigned made() const noexcept { return made_; }
  [[nodiscard]] unsigned bad() const noexcept { return bad_; }
  [[nodiscard]] unsigned failures() const noexcept { return failures_; }
  /// The first answer that no client must meet; empty if there was none.
  [[nodiscard]] const std::string& untrue() const noexcept { return untrue_; }

 private:
  bool note(const char* function, CK_RV rv) {
    if (rv == CKR_OK) return true;
    ++failures_;
    if (untrue_.empty() && !is_truthful_failure(function, rv, task_gone())) {
      untrue_ = std::string(function) + " answered " + answer_name(rv);
    }
    return false;
  }

  const CK_FUNCTION_LIST_3_0& p11_;
  const MAYFLY_FUNCTION_LIST& vendor_;
  CK_SLOT_ID slot_ = 0;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE key_ = CK_INVALID_HANDLE;
  EvpKey check_;
  std::atomic<unsigned> made_{0};
  unsigned bad_ = 0;
  unsigned failures_ = 0;
  std::string untrue_;
};

class ComingAndGoingTest : public testing::TestWithParam<KeyKeeping> {
 protected:
  void start(const std::string& device_config = "") {
    device_ =
        std::make_unique<FaultDevice>(GetParam(), FaultDevice::Bystander::there, device_config);
    device_->stay_up();
    provider_ = device_->load_mayfly();
    std::string reserved = provider_->reserved("", "");
    InitializeArgs args;
    args.reserved = reserved.data();
    ASSERT_RV(CKR_OK, provider_->functions().C_Initialize(&args));
  }

  void TearDown() override {
    device_->script().heal();
    expect_works();
    ASSERT_RV(CKR_OK, provider_->functions().C_Finalize(nullptr));
    EXPECT_EQ(device_->keys().private_keys, 0U);
    EXPECT_EQ(device_->keys().public_keys, 0U);
    EXPECT_TRUE(device_->bystander_unharmed());
  }

  /// A task opened now works fully.
  void expect_works() {
    Worker worker(*provider_, "works");
    EXPECT_TRUE(worker.sign());
    worker.close();
    EXPECT_EQ(worker.failures(), 0U);
  }

  static void expect_honest(const Worker& worker) {
    EXPECT_EQ(worker.bad(), 0U);
    EXPECT_EQ(worker.untrue(), "");
  }

  /// Threads, each with tasks one after the other, that go on until told to stop.
  void sign_in_threads(unsigned count, const std::function<void()>& meanwhile) {
    std::atomic<bool> stop{false};
    std::atomic<unsigned> tasks{0};
    std::vector<std::jthread> threads;
    for (unsigned thread = 0; thread < count; ++thread) {
      threads.emplace_back([&] {
        while (!stop) {
          Worker worker(*provider_, "task " + std::to_string(++tasks));
          for (int i = 0; i < 20 && !stop && worker.has_key() && !worker.task_gone(); ++i) {
            if (worker.sign()) ++signatures_;
          }
          worker.close();
          expect_honest(worker);
        }
      });
    }
    meanwhile();
    stop = true;
  }

  void await_signatures(unsigned more) {
    const unsigned wanted = signatures_ + more;
    while (signatures_ < wanted) std::this_thread::yield();
  }

  std::unique_ptr<FaultDevice> device_;
  std::unique_ptr<Provider> provider_;
  std::atomic<unsigned> signatures_{0};
};

TEST_P(ComingAndGoingTest, FailsInMidFlightOfManyThreads) {
  start();
  unsigned struck = 0;
  for (const CK_RV answer : {CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID, CKR_DEVICE_ERROR,
                             CKR_SESSION_COUNT, CKR_USER_NOT_LOGGED_IN, CKR_DEVICE_MEMORY}) {
    for (const auto when : {CallScript::When::before, CallScript::When::after}) {
      // The plan is made before the threads start; the device fails for 40 calls amid their work.
      device_->script().start({.first = 150, .last = 190, .when = when, .answer = answer});
      sign_in_threads(4, [&] {
        while (device_->script().calls() <= 200) std::this_thread::yield();
        await_signatures(50);
      });
      struck += device_->script().struck();
    }
  }
  std::cout << struck << " calls failed amid " << signatures_ << " signatures of 4 threads\n";
}

/// Of session keys: SoftHSM2 finds its token objects again only when it is started anew.
class TokenFolderTest : public ComingAndGoingTest {};

TEST_P(TokenFolderTest, IsTakenAwayAndBroughtBack) {
  start();
  const auto folder = device_->token().folder() / "tokens";
  const auto away = device_->token().folder() / "away";
  for (int round = 0; round < 5; ++round) {
    sign_in_threads(4, [&] {
      await_signatures(20);
      std::filesystem::rename(folder, away);
      const unsigned calls = device_->script().calls();
      while (device_->script().calls() < calls + 100) std::this_thread::yield();
      std::filesystem::rename(away, folder);
      await_signatures(20);
    });
    expect_works();
  }
}

/// What a device with 8 sessions lets be known of that.
class FewSessionsTest : public ComingAndGoingTest {
 protected:
  static constexpr unsigned kTasks = 64;
  static constexpr unsigned kSignaturesOfEach = 25;

  /// All tasks sign at once until each has made its signatures.
  void expect_all_get_through() {
    std::vector<std::unique_ptr<Worker>> workers;
    for (unsigned i = 0; i < kTasks; ++i) {
      workers.push_back(std::make_unique<Worker>(*provider_, "task " + std::to_string(i)));
      ASSERT_TRUE(workers.back()->has_key()) << i;
    }
    {
      std::vector<std::jthread> threads;
      for (const auto& worker : workers) {
        threads.emplace_back([&worker = *worker] {
          for (unsigned i = 0; i < kSignaturesOfEach; ++i) worker.sign();
        });
      }
    }
    EXPECT_LE(device_->module().open_sessions, 8U);
    for (const auto& worker : workers) {
      EXPECT_EQ(worker->made(), kSignaturesOfEach);
      EXPECT_EQ(worker->failures(), 0U);
      expect_honest(*worker);
      worker->close();
    }
  }
};

TEST_P(FewSessionsTest, AreSetInTheConfiguration) {
  start("max-sessions = 8\n");
  device_->module().session_limit = 8;
  expect_all_get_through();
}

TEST_P(FewSessionsTest, AreToldByTheToken) {
  start();
  ASSERT_RV(CKR_OK, provider_->functions().C_Finalize(nullptr));
  device_->module().max_sessions = 8;
  std::string reserved = provider_->reserved("", "");
  InitializeArgs args;
  args.reserved = reserved.data();
  ASSERT_RV(CKR_OK, provider_->functions().C_Initialize(&args));
  device_->module().session_limit = 8;
  expect_all_get_through();
}

TEST_P(FewSessionsTest, AreFoundOutByRefusals) {
  start();
  device_->module().session_limit = 8;
  expect_all_get_through();
}

const auto kName = [](const auto& keeping) { return keeping.param.name; };
INSTANTIATE_TEST_SUITE_P(Keys, TokenFolderTest, testing::Values(kKeyKeepings[0]),
                         [](const auto& keeping) { return keeping.param.name; });
INSTANTIATE_TEST_SUITE_P(Keys, ComingAndGoingTest, testing::ValuesIn(kKeyKeepings), kName);
INSTANTIATE_TEST_SUITE_P(Keys, FewSessionsTest, testing::ValuesIn(kKeyKeepings), kName);

}  // namespace
}  // namespace mayfly::test
