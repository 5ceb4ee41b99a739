// Hosts that close every descriptor, and use the numbers for files of their own.
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "process/life.h"

namespace mayfly::test {
namespace {

using DescriptorsTest = LifeTest;

TEST_F(DescriptorsTest, MayAllBeClosedUnderTheModule) {
  ASSERT_RV(CKR_OK, finalize());
  expect_in_child([&] {
    begin_life("closed");
    ASSERT_EQ(close_range(3, ~0U, 0), 0);
    EXPECT_RV(CKR_OK, sign_answer(session_, pair_.private_key, kP256));
    const KeyPair another = generate(open_session(), kP384);
    EXPECT_RV(CKR_OK, sign_answer(session_, another.private_key, kP384));
    EXPECT_EQ(find(session_, {{CKA_CLASS, CK_ULONG{CKO_PRIVATE_KEY}}}).size(), 2U);
    const CK_SLOT_ID slot = open_task("another");
    EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(slot));
    EXPECT_RV(CKR_OK, finalize());
    EXPECT_NE(log_text().find("task another ended"), std::string::npos) << "the log goes on";
  });
}

// Among them the three standard ones, so that what the module opens next gets their numbers.
TEST_F(DescriptorsTest, MayAllBeClosedTheStandardOnesToo) {
  ASSERT_RV(CKR_OK, finalize());
  expect_in_child([&] {
    ASSERT_EQ(close_range(0, ~0U, 0), 0);
    if (initialize("bare") != CKR_OK) _exit(2);
    slot_ = only_slot();
    session_ = open_session();
    pair_ = generate(session_, kP256);
    if (sign_answer(session_, pair_.private_key, kP256) != CKR_OK) _exit(3);
    if (finalize() != CKR_OK) _exit(4);
    if (open_descriptors() != 1) _exit(5);  // that of the counting itself
  });
}

/// Files of the host's own on every descriptor from 3 on.
class OwnFiles {
 public:
  static constexpr int kFirst = 3;
  static constexpr int kEnd = 64;

  explicit OwnFiles(const std::filesystem::path& folder) : folder_(folder) {
    for (int number = kFirst; number < kEnd; ++number) {
      const int opened = open(file(number).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      EXPECT_EQ(opened, number) << "the numbers have gaps";
      EXPECT_EQ(write(opened, kContent, sizeof kContent), static_cast<ssize_t>(sizeof kContent));
    }
  }

  void expect_untouched() const {
    for (int number = kFirst; number < kEnd; ++number) {
      EXPECT_EQ(read_file(file(number)), std::string(kContent, sizeof kContent)) << number;
      EXPECT_EQ(lseek(number, 0, SEEK_CUR), static_cast<off_t>(sizeof kContent))
          << number << " was closed, read or written";
    }
  }

 private:
  static constexpr char kContent[] = "the host's own";

  [[nodiscard]] std::filesystem::path file(int number) const {
    return folder_ / ("own-" + std::to_string(number));
  }

  const std::filesystem::path folder_;
};

TEST_F(DescriptorsTest, AreNotMistakenForTheModulesOwn) {
  ASSERT_RV(CKR_OK, finalize());
  expect_in_child([&] {
    begin_life("reused");
    ASSERT_EQ(close_range(3, ~0U, 0), 0);
    const OwnFiles files(folder_.path());
    for (int i = 0; i < 20; ++i) {
      EXPECT_RV(CKR_OK, sign_answer(session_, pair_.private_key, kP256));
      generate(open_session(), kP256);
      EXPECT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(open_task("another")));
    }
    EXPECT_RV(CKR_SLOT_ID_INVALID, vendor_->MAYFLY_CloseTask(999)) << "is logged";
    files.expect_untouched();
    EXPECT_RV(CKR_OK, finalize());
    files.expect_untouched();
    begin_life("again");
    EXPECT_RV(CKR_OK, finalize());
    files.expect_untouched();
  });
}

}  // namespace
}  // namespace mayfly::test
