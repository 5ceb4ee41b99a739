// The ledger of a task whose keys are in a TPM: sealed by a key of the TPM, which then is gone.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/task_binding.h"
#include "core/application.h"
#include "core/task_table.h"
#include "device/tpm/tpm_device.h"
#include "integration/device/burglar.h"
#include "ledger/chain_file.h"
#include "ledger/chain_verifier.h"
#include "support/failure_of.h"
#include "support/swtpm.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;

class TpmLedger : public testing::Test {
 protected:
  TpmLedger() {
    std::filesystem::permissions(folder_.path(), std::filesystem::perms::owner_all);
    TpmDeviceOptions options;
    options.tcti = swtpm_.tcti();
    options.kill_switch = true;
    chip_ = std::make_shared<tpm::Chip>(options);
    burglar_.emplace(*chip_, swtpm_.tcti());
    device_ = tpm::make_tpm_device(chip_);
    TaskLimits limits;
    limits.ledger = LedgerPlace{folder_.path()};
    tasks_ = std::make_unique<TaskTable>(*device_, limits, nullptr);
  }
  ~TpmLedger() override {
    tasks_->end_all(TaskState::closed);
    device_->close();
  }

  /// Makes a key in a task and signs with it once.
  /// @return the key.
  PublicKey work(const std::shared_ptr<Task>& task) {
    Application application(*tasks_, 10);
    const auto session = application.session(application.open_session(task->slot(), true));
    Attributes wanted;
    wanted.set(CKA_EC_PARAMS, ec_params({CKK_EC, 256}));
    wanted.set_flag(CKA_TOKEN, true);
    Attributes private_wanted;
    private_wanted.set_flag(CKA_TOKEN, true);
    const ObjectHandle key =
        session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, wanted, private_wanted).private_key;
    session->sign_init({CKM_ECDSA_SHA256, {}}, key);
    Bytes signature(session->signature_size());
    session->sign(as_bytes("a message"), signature);
    return session->object(key)->session_key()->public_key();
  }

  [[nodiscard]] ledger::Verification verify(const Task& task,
                                            const ledger::Expectations& expected) const {
    std::ifstream chain(ledger::chain_path(folder_.path(), task.serial()), std::ios::binary);
    return ledger::verify_chain(chain, expected);
  }

  Swtpm swtpm_;
  TempFolder folder_;
  std::shared_ptr<tpm::Chip> chip_;
  std::optional<Burglar> burglar_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<TaskTable> tasks_;
};

TEST_F(TpmLedger, IsSealedByAKeyOfTheTpmThatIsDestroyed) {
  const auto task = tasks_->open({"invoices", {}});
  const PublicKey key = work(task);
  const std::vector<LootedKey> stolen = burglar_->loot();
  ASSERT_EQ(stolen.size(), 2U) << "the task's key and the ledger's";
  const Bytes digest_of_it = digest(Hash::sha256, as_bytes("what a forger signs"));
  for (const LootedKey& one : stolen) {
    EXPECT_NO_THROW(static_cast<void>(burglar_->sign(one, digest_of_it)))
        << "now a thief signs: the rest of this test can tell something";
  }
  task->end(TaskState::closed);

  const ledger::Verification found =
      verify(*task, {.task_id = "invoices", .serial = task->serial(), .keys = {thumbprint(key)}});
  EXPECT_EQ(found.verdict, ledger::Verdict::sealed) << found.line << " " << found.problem;
  ASSERT_TRUE(found.summary.ledger_key);
  const auto is_ledger_key = [&](const LootedKey& one) {
    return thumbprint(one.public_key) == thumbprint(*found.summary.ledger_key);
  };
  EXPECT_EQ(std::ranges::count_if(stolen, is_ledger_key), 1) << "it is one of the TPM's";
  EXPECT_NE(thumbprint(*found.summary.ledger_key), thumbprint(key));
  EXPECT_EQ(burglar_->keys(), 0U);
  for (const LootedKey& one : stolen) {
    EXPECT_THAT(failure_of([&] { (void)burglar_->sign(one, digest_of_it); }).what(),
                HasSubstr("kill switch was thrown"))
        << "nobody rebuilds the chain";
  }
}

TEST_F(TpmLedger, ATpmThatWasResetLeavesAChainThatSaysSo) {
  const auto task = tasks_->open({"reset", {}});
  const PublicKey key = work(task);
  swtpm_.reset();
  task->end(TaskState::lost);
  const ledger::Verification found = verify(*task, {.task_id = "reset", .keys = {thumbprint(key)}});
  EXPECT_EQ(found.verdict, ledger::Verdict::unsealed) << found.line << " " << found.problem;
  EXPECT_EQ(found.summary.end, TaskState::lost);
  EXPECT_EQ(burglar_->keys(), 0U);
}

}  // namespace
}  // namespace mayfly::test
