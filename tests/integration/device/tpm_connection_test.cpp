// The connection to a TPM: its limits of time, and what is said when it fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/tpm/tpm.h"
#include "support/failure_of.h"
#include "support/swtpm.h"

namespace mayfly::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class TpmConnectionTest : public testing::Test {
 protected:
  static constexpr auto kLimit = std::chrono::milliseconds(300);

  [[nodiscard]] tpm::ConnectionOptions options() const { return {swtpm_.tcti(), kLimit}; }

  Swtpm swtpm_;
};

TEST_F(TpmConnectionTest, GivesCommandsAndCountsThem) {
  tpm::Tpm tpm(options());
  const auto time = tpm.read_clock();
  EXPECT_GT(time.clockInfo.resetCount, 0U);
  EXPECT_GE(tpm.read_clock().time, time.time);
  EXPECT_EQ(tpm.traffic().commands, 2U);
  EXPECT_GT(tpm.traffic().waited.count(), 0);
}

TEST_F(TpmConnectionTest, SaysWhatTheTpmSaid) {
  tpm::Tpm tpm(options());
  const Error error = failure_of([&] { tpm.flush_context(0x80000000); });
  EXPECT_EQ(error.rv(), CKR_DEVICE_ERROR);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("TPM2_FlushContext failed: "), HasSubstr("(0x1cb)")));
  EXPECT_TRUE(tpm.usable()) << "a refusal is no broken connection";
}

TEST_F(TpmConnectionTest, GivesATpmUpThatDoesNotAnswerInTime) {
  tpm::Tpm tpm(options());
  (void)tpm.read_clock();
  swtpm_.freeze();
  const auto start = std::chrono::steady_clock::now();
  const Error error = failure_of([&] { (void)tpm.read_clock(); });
  EXPECT_GE(std::chrono::steady_clock::now() - start, kLimit);
  EXPECT_EQ(error.rv(), CKR_DEVICE_REMOVED);
  EXPECT_THAT(error.what(), HasSubstr("did not answer within tpm.timeout"));
  EXPECT_FALSE(tpm.usable());
  swtpm_.thaw();
  // The late answer must not be taken for that of another command.
  EXPECT_EQ(failure_of([&] { (void)tpm.read_clock(); }).rv(), CKR_DEVICE_REMOVED);
  tpm::Tpm again(options());
  (void)again.read_clock();
}

TEST_F(TpmConnectionTest, SaysThatNobodyListens) {
  swtpm_.kill();
  const Error error = failure_of([&] { const tpm::Tpm tpm(options()); });
  EXPECT_EQ(error.rv(), CKR_TOKEN_NOT_PRESENT);
  EXPECT_THAT(error.what(), HasSubstr("can't be reached"));
}

TEST_F(TpmConnectionTest, SaysThatATctiCanNotBeLoaded) {
  const Error error = failure_of([&] {
    const tpm::Tpm tpm(tpm::ConnectionOptions{"no-such-tcti:x", kLimit});
  });
  EXPECT_EQ(error.rv(), CKR_TOKEN_NOT_PRESENT);
  EXPECT_THAT(error.what(), HasSubstr("no-such-tcti:x"));
}

}  // namespace
}  // namespace mayfly::test
