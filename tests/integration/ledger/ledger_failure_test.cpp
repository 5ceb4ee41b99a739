// Ledgers that can't be written: what is not written down is not done.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/ledger/ledger_home.h"
#include "ledger/chain_file.h"
#include "support/failure_of.h"

namespace mayfly::test {
namespace {

using ledger::Verdict;
using testing::HasSubstr;

class LedgerFailure : public testing::Test {
 protected:
  void open_library(const std::string& more = "") {
    library_ =
        std::make_unique<Library>(Config::load(home_.config("[log]\nlevel = \"off\"\n" + more)));
    application_ = std::make_unique<Application>(library_->tasks(), 100);
  }
  ~LedgerFailure() override {
    application_.reset();
    if (library_ != nullptr) library_->close();
    if (mounted_) umount2(home_.folder().c_str(), MNT_DETACH);
  }

  /// Puts a small disk under the ledgers; false where this process may not.
  bool mount_small_disk() {
    // In a view of the file systems that is this process's own.
    if (unshare(CLONE_NEWNS) != 0) return false;
    mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    mounted_ = mount("tmpfs", home_.folder().c_str(), "tmpfs", MS_NOSUID | MS_NODEV,
                     "size=64k,mode=0700") == 0;
    return mounted_;
  }

  void open_task() {
    task_ = library_->tasks().open({"task", {}});
    session_ = application_->session(application_->open_session(task_->slot(), true));
  }
  ObjectHandle make_key() {
    return session_->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), {}).private_key;
  }
  Error sign(ObjectHandle key) {
    signature_.fill(0);
    session_->cancel(CKF_SIGN);  // as a client's call does after an error
    return failure_of([&] {
      session_->sign_init({CKM_ECDSA_SHA256, {}}, key);
      session_->sign(as_bytes("data"), signature_);
    });
  }
  [[nodiscard]] bool has_signature() const { return signature_ != std::array<std::uint8_t, 64>{}; }
  [[nodiscard]] std::size_t living_keys() const {
    return home_.token().count_objects(CKO_PRIVATE_KEY);
  }

  const LedgerHome home_;
  std::unique_ptr<Library> library_;
  std::unique_ptr<Application> application_;
  std::shared_ptr<Task> task_;
  std::shared_ptr<Session> session_;
  std::array<std::uint8_t, 64> signature_{};
  bool mounted_ = false;
};

TEST_F(LedgerFailure, WithoutItsFolderNoTaskIsOpened) {
  open_library();
  std::filesystem::remove(home_.folder());
  const Error error = failure_of([&] { library_->tasks().open({"task", {}}); });
  EXPECT_EQ(error.rv(), CKR_FUNCTION_FAILED);
  EXPECT_THAT(error.what(), HasSubstr(home_.folder().string()));
  EXPECT_TRUE(library_->tasks().slots().empty());
  std::filesystem::create_directory(home_.folder());
  std::filesystem::permissions(home_.folder(), std::filesystem::perms::owner_all);
  EXPECT_EQ(answer_of([&] { open_task(); }), CKR_OK) << "the ID is free, and the folder is back";
}

TEST_F(LedgerFailure, InAFolderThatOthersWriteNoTaskIsOpened) {
  open_library();
  chmod(home_.folder().c_str(), 0777);
  EXPECT_EQ(answer_of([&] { library_->tasks().open({"task", {}}); }), CKR_FUNCTION_FAILED);
  EXPECT_TRUE(library_->tasks().slots().empty());
}

TEST_F(LedgerFailure, WhenItWasTakenAwayNothingIsSignedOrMadeAndTheTaskEnds) {
  open_library();
  open_task();
  const ObjectHandle key = make_key();
  ASSERT_EQ(sign(key).rv(), CKR_OK);
  const std::size_t before = living_keys();
  std::filesystem::remove_all(home_.folder());
  std::this_thread::sleep_for(ledger::ChainFile::kLookAgain);

  const Error error = sign(key);
  EXPECT_EQ(error.rv(), CKR_FUNCTION_FAILED);
  EXPECT_THAT(error.what(), HasSubstr("was removed"));
  EXPECT_FALSE(has_signature());
  EXPECT_EQ(answer_of([&] { make_key(); }), CKR_FUNCTION_FAILED);
  EXPECT_EQ(living_keys(), before) << "a key that was not written down is destroyed";
  EXPECT_EQ(answer_of([&] { session_->login(as_bytes("pin")); }), CKR_FUNCTION_FAILED);

  const auto report = task_->end(TaskState::closed);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->destroyed, 1U);
  EXPECT_EQ(report->pending, 0U);
  EXPECT_EQ(living_keys(), 0U) << "the ledger's key is gone, though it sealed nothing";
}

TEST_F(LedgerFailure, WhenSomebodyElseWroteIntoItNothingIsSigned) {
  open_library();
  open_task();
  const ObjectHandle key = make_key();
  ASSERT_EQ(sign(key).rv(), CKR_OK);
  const auto chain = home_.chains().at("task");
  std::ofstream(chain, std::ios::app) << "{}\n";
  std::this_thread::sleep_for(ledger::ChainFile::kLookAgain);
  EXPECT_EQ(sign(key).rv(), CKR_FUNCTION_FAILED);
  EXPECT_FALSE(has_signature());
}

TEST_F(LedgerFailure, ADestructionThatIsNotWrittenFailsAndIsWrittenLater) {
  open_library();
  open_task();
  const ObjectHandle key = make_key();
  const auto chain = home_.chains().at("task");
  const auto size = std::filesystem::file_size(chain);
  ASSERT_EQ(truncate(chain.c_str(), static_cast<off_t>(size) + 1), 0);
  std::this_thread::sleep_for(ledger::ChainFile::kLookAgain);
  EXPECT_EQ(answer_of([&] { session_->destroy_object(key); }), CKR_FUNCTION_FAILED);
  EXPECT_EQ(living_keys(), 1U) << "the ledger's; the other is destroyed all the same";
  ASSERT_EQ(truncate(chain.c_str(), static_cast<off_t>(size)), 0);
  task_->end(TaskState::closed);
  EXPECT_EQ(verify_path(chain).verdict, Verdict::sealed) << verify_path(chain).problem;
}

TEST_F(LedgerFailure, OnAFullDiskNothingIsSignedUntilThereIsRoom) {
  if (!mount_small_disk()) GTEST_SKIP() << "needs the right to mount";
  open_library();
  open_task();
  const ObjectHandle key = make_key();
  const auto ballast = home_.folder() / "ballast";
  std::ofstream(ballast) << std::string(16 * 1024, 'b');
  std::uint64_t given_out = 0;
  Error error = sign(key);
  for (; error.rv() == CKR_OK && given_out < 1'000; error = sign(key)) ++given_out;
  EXPECT_EQ(error.rv(), CKR_FUNCTION_FAILED);
  EXPECT_THAT(error.what(), HasSubstr("make room"));
  EXPECT_FALSE(has_signature());
  EXPECT_EQ(answer_of([&] { make_key(); }), CKR_FUNCTION_FAILED);
  EXPECT_EQ(living_keys(), 2U) << "the one that there was, and the ledger's";
  EXPECT_EQ(answer_of([&] { library_->tasks().open({"another", {}}); }), CKR_FUNCTION_FAILED);
  EXPECT_EQ(library_->tasks().slots().size(), 1U);

  const auto chain = home_.chains().at("task");
  const ledger::Verification full = verify_path(chain);
  EXPECT_EQ(full.verdict, Verdict::unsealed) << "no half line is left: " << full.problem;
  EXPECT_EQ(full.summary.signatures, given_out);

  std::filesystem::remove(ballast);
  EXPECT_EQ(sign(key).rv(), CKR_OK);
  task_->end(TaskState::closed);
  const ledger::Verification found = verify_path(chain);
  EXPECT_EQ(found.verdict, Verdict::sealed) << found.line << " " << found.problem;
  EXPECT_EQ(found.summary.signatures, given_out + 1);
}

TEST_F(LedgerFailure, OnAFullDiskATaskEndsAndItsKeysAreDestroyed) {
  if (!mount_small_disk()) GTEST_SKIP() << "needs the right to mount";
  open_library();
  open_task();
  const ObjectHandle key = make_key();
  for (int i = 0; i < 1'000 && sign(key).rv() == CKR_OK; ++i) continue;
  const auto report = task_->end(TaskState::closed);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->destroyed, 1U);
  EXPECT_EQ(living_keys(), 0U);
  EXPECT_NE(verify_path(home_.chains().at("task")).verdict, Verdict::sealed);
}

}  // namespace
}  // namespace mayfly::test
