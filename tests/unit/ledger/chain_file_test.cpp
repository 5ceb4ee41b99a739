#include "ledger/chain_file.h"

#include <csignal>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support/failure_of.h"
#include "support/temp_folder.h"

namespace mayfly::ledger {
namespace {

constexpr char kSerial[] = "0123456789abcdef";

class ChainFileTest : public testing::Test {
 protected:
  [[nodiscard]] std::string content() const {
    return test::read_file(chain_path(folder_.path(), kSerial));
  }
  [[nodiscard]] mode_t mode() const {
    struct stat status {};
    EXPECT_EQ(stat(chain_path(folder_.path(), kSerial).c_str(), &status), 0);
    return status.st_mode & 07777;
  }

  const test::TempFolder folder_;
};

template <typename Action>
std::string problem_of(Action&& action) {
  const Error error = test::failure_of(action);
  EXPECT_EQ(error.rv(), CKR_FUNCTION_FAILED);
  return error.what();
}

TEST_F(ChainFileTest, GrowsByLinesAndIsItsOwners) {
  umask(0);
  ChainFile file(folder_.path(), kSerial);
  umask(022);
  file.append("a\n");
  file.append("b\n");
  EXPECT_EQ(content(), "a\nb\n");
  EXPECT_EQ(mode(), 0600U);
  file.finish();
  EXPECT_EQ(mode(), 0400U);
}

TEST_F(ChainFileTest, IsNewOrNotAtAll) {
  folder_.write(std::string(kSerial) + ".jsonl", "what was there\n");
  EXPECT_NE(problem_of([&] { ChainFile(folder_.path(), kSerial); }).find("exists"),
            std::string::npos);
  EXPECT_EQ(content(), "what was there\n");
}

TEST_F(ChainFileTest, FollowsNoLink) {
  const auto elsewhere = folder_.path() / "elsewhere";
  std::filesystem::create_symlink(elsewhere, chain_path(folder_.path(), kSerial));
  problem_of([&] { ChainFile(folder_.path(), kSerial); });
  EXPECT_FALSE(std::filesystem::exists(elsewhere));
}

TEST_F(ChainFileTest, WantsAFolderThatIsThereAndNobodyElses) {
  EXPECT_NE(problem_of([&] { ChainFile(folder_.path() / "none", kSerial); }).find("install -d"),
            std::string::npos);
  chmod(folder_.path().c_str(), 0770);
  EXPECT_NE(problem_of([&] { ChainFile(folder_.path(), kSerial); }).find("chmod go-w"),
            std::string::npos);
}

TEST_F(ChainFileTest, TakesNoMoreLinesOnceItWasRemoved) {
  ChainFile file(folder_.path(), kSerial);
  file.append("a\n");
  std::filesystem::remove_all(folder_.path());
  std::this_thread::sleep_for(ChainFile::kLookAgain);
  EXPECT_NE(problem_of([&] { file.append("b\n"); }).find("was removed"), std::string::npos);
  EXPECT_NE(problem_of([&] { file.append("b\n"); }).find("was removed"), std::string::npos)
      << "and at once the next time";
}

TEST_F(ChainFileTest, TakesNoMoreLinesOnceItWasMovedAway) {
  ChainFile file(folder_.path(), kSerial);
  file.append("a\n");
  const std::filesystem::path path = chain_path(folder_.path(), kSerial);
  std::filesystem::rename(path, folder_.path() / "elsewhere");
  std::this_thread::sleep_for(ChainFile::kLookAgain);
  EXPECT_NE(problem_of([&] { file.append("b\n"); }).find("was moved away"), std::string::npos);
  std::filesystem::copy(folder_.path() / "elsewhere", path);
  EXPECT_NE(problem_of([&] { file.append("b\n"); }).find("was moved away"), std::string::npos)
      << "another one is not the same";
}

TEST_F(ChainFileTest, LooksAtOnceWhereItIsToldTo) {
  ChainFile file(folder_.path(), kSerial);
  file.append("a\n");
  std::filesystem::remove_all(folder_.path());
  file.look_again();
  EXPECT_NE(problem_of([&] { file.append("b\n"); }).find("was removed"), std::string::npos);
}

TEST_F(ChainFileTest, TakesNoMoreLinesOnceSomebodyElseChangedIt) {
  ChainFile file(folder_.path(), kSerial);
  file.append("a\n");
  file.append("b\n");
  ASSERT_EQ(truncate(chain_path(folder_.path(), kSerial).c_str(), 2), 0);
  std::this_thread::sleep_for(ChainFile::kLookAgain);
  EXPECT_NE(problem_of([&] { file.append("c\n"); }).find("by somebody else"), std::string::npos);
  EXPECT_EQ(content(), "a\n");
}

/// The number of the one descriptor of this process that is open on a file.
int number_of(const std::filesystem::path& path) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    if (std::filesystem::read_symlink(entry.path(), ignored) == path) {
      return std::stoi(entry.path().filename());
    }
  }
  return -1;
}

TEST_F(ChainFileTest, WritesIntoNoFileThatTookItsDescriptorsNumber) {
  const auto others = folder_.write("others", "");
  {
    ChainFile file(folder_.path(), kSerial);
    file.append("a\n");
    const int number = number_of(chain_path(folder_.path(), kSerial));
    ASSERT_GE(number, 0);
    const int other = open(others.c_str(), O_RDWR | O_APPEND);
    ASSERT_EQ(dup2(other, number), number);
    file.append("b\n");
    file.append("c\n");
    close(number_of(chain_path(folder_.path(), kSerial)));
    file.append("d\n");
    EXPECT_EQ(fcntl(number, F_GETFD), 0) << "and does not close it";
    close(number);
    close(other);
  }
  EXPECT_EQ(content(), "a\nb\nc\nd\n");
  EXPECT_EQ(test::read_file(others), "");
}

TEST_F(ChainFileTest, LeavesNothingBehindIfNothingStandsInIt) {
  {
    ChainFile file(folder_.path(), kSerial);
    file.remove_if_empty();
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  ChainFile file(folder_.path(), kSerial);
  file.append("a\n");
  file.remove_if_empty();
  EXPECT_EQ(content(), "a\n");
}

TEST_F(ChainFileTest, IsForcedToTheDiskThoughSomebodyElseClosedIt) {
  ChainFile file(folder_.path(), kSerial);
  file.append("a\n");
  close(number_of(chain_path(folder_.path(), kSerial)));
  file.sync();
  file.append("b\n");
  EXPECT_EQ(content(), "a\nb\n");
}

TEST_F(ChainFileTest, TakesNoMoreLinesOnceOneCouldNotBeForcedToTheDisk) {
  const auto path = chain_path(folder_.path(), kSerial);
  const auto aside = folder_.path() / "aside";
  ChainFile file(folder_.path(), kSerial);
  file.append("a\n");
  close(number_of(path));
  std::filesystem::rename(path, aside);
  EXPECT_NE(problem_of([&] { file.sync(); }).find("written to the disk"), std::string::npos);
  std::filesystem::rename(aside, path);
  EXPECT_NE(problem_of([&] { file.append("b\n"); }).find("takes no more"), std::string::npos);
  EXPECT_EQ(content(), "a\n");
}

// In a child, which an alarm ends if it waits.
TEST_F(ChainFileTest, WaitsForNobodyAtAPipeThatTookItsName) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(10);
    const auto path = chain_path(folder_.path(), kSerial);
    ChainFile file(folder_.path(), kSerial);
    file.append("a\n");
    close(number_of(path));
    unlink(path.c_str());
    if (mkfifo(path.c_str(), 0600) != 0) _exit(1);
    try {
      file.append("b\n");
      _exit(2);
    } catch (const Error&) {
      _exit(0);
    }
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// In a child, since the limit is the process's.
TEST_F(ChainFileTest, LeavesNoHalfLineWhereTheProcessMayWriteNoMore) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ChainFile file(folder_.path(), kSerial);
    const rlimit limit{10, 10};
    setrlimit(RLIMIT_FSIZE, &limit);  // it may come late
    file.append("12345\n");
    try {
      file.append("12345\n");
      _exit(1);
    } catch (const Error& error) {
      if (std::string(error.what()).find("ulimit") == std::string::npos) _exit(2);
    }
    file.append("123\n");  // there is room for this one
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(content(), "12345\n123\n");
}

}  // namespace
}  // namespace mayfly::ledger
