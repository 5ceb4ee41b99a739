#include "base/log.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temp_folder.h"

namespace mayfly {
namespace {

using log::Level;

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> lines;
  std::istringstream stream(test::read_file(file));
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Log : public testing::Test {
 protected:
  ~Log() override { log::configure(Level::warn, ""); }

  std::filesystem::path file() const { return folder_.path() / "mayfly.log"; }
  /// What one message looks like in the file, without the time and the process.
  std::string logged(std::string_view message) {
    log::error(message);
    const std::string line = lines_of(file()).back();
    const std::string mark = " error: ";
    return line.substr(line.find(mark) + mark.size());
  }

  test::TempFolder folder_;
};

TEST_F(Log, LineHasTimeProcessAndLevel) {
  log::configure(Level::debug, file());
  log::warn("the task has ended");
  EXPECT_THAT(
      test::read_file(file()),
      testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
                            "mayfly\\[" +
                            std::to_string(getpid()) + "\\] warning: the task has ended\n"));
}

TEST_F(Log, LevelsCutOff) {
  const auto count = [&](Level level) {
    std::filesystem::remove(file());
    log::configure(level, file());
    log::debug("d");
    log::info("i");
    log::warn("w");
    log::error("e");
    log::write(Level::off, "o");
    return lines_of(file()).size();
  };
  EXPECT_EQ(count(Level::debug), 4u);
  EXPECT_EQ(count(Level::info), 3u);
  EXPECT_EQ(count(Level::warn), 2u);
  EXPECT_EQ(count(Level::error), 1u);
  EXPECT_EQ(count(Level::off), 0u);
  EXPECT_FALSE(log::enabled(Level::error));
  EXPECT_FALSE(log::enabled(Level::off));
}

TEST_F(Log, ControlCharactersCannotForgeLines) {
  log::configure(Level::warn, file());
  std::string hostile;
  for (int c = 0; c < 0x20; ++c) hostile += static_cast<char>(c);
  hostile += "\x7f end";
  EXPECT_EQ(logged(hostile), std::string(33, '?') + " end");
  EXPECT_EQ(logged("a\n2026-01-01T00:00:00.000Z mayfly[1] error: forged"),
            "a?2026-01-01T00:00:00.000Z mayfly[1] error: forged");
  EXPECT_EQ(logged("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(lines_of(file()).size(), 3u);
}

TEST_F(Log, FileIsForItsOwnerOnly) {
  const mode_t before = umask(0);
  log::configure(Level::warn, file());
  umask(before);
  struct stat status {};
  ASSERT_EQ(stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(Log, KeepsNoDescriptor) {
  const auto count = [] {
    const std::filesystem::directory_iterator descriptors("/proc/self/fd");
    return std::distance(begin(descriptors), end(descriptors));
  };
  const auto before = count();
  log::configure(Level::warn, file());
  log::warn("a");
  EXPECT_EQ(count(), before);
}

TEST_F(Log, FollowsRotation) {
  log::configure(Level::warn, file());
  log::warn("first");
  std::filesystem::rename(file(), folder_.path() / "old.log");
  log::warn("second");
  EXPECT_EQ(lines_of(folder_.path() / "old.log").size(), 1u);
  EXPECT_EQ(lines_of(file()).size(), 1u);
}

TEST_F(Log, AppendsToWhatIsThere) {
  folder_.write("mayfly.log", "before\n");
  log::configure(Level::warn, file());
  log::warn("after");
  EXPECT_EQ(lines_of(file()).size(), 2u);
  EXPECT_EQ(lines_of(file()).front(), "before");
}

TEST_F(Log, FileThatCannotBeWrittenIsRefused) {
  const auto message = [](const std::string& path) -> std::string {
    try {
      log::configure(Level::warn, path);
    } catch (const Error& error) {
      EXPECT_EQ(error.rv(), static_cast<CK_RV>(CKR_GENERAL_ERROR));
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message("/nowhere/mayfly.log"), testing::HasSubstr("/nowhere/mayfly.log"));
  EXPECT_THAT(message(folder_.path()), testing::HasSubstr("Is a directory"));
  folder_.write("target", "");
  std::filesystem::create_symlink("target", folder_.path() / "link");
  EXPECT_NE(message(folder_.path() / "link"), "no error") << "a link could lead anywhere";
}

TEST_F(Log, AWrongFileChangesNothing) {
  log::configure(Level::warn, file());
  EXPECT_THROW(log::configure(Level::off, "/nowhere/mayfly.log"), Error);
  log::warn("still here");
  EXPECT_EQ(lines_of(file()).size(), 1u);
}

TEST_F(Log, LosesLinesRatherThanFailingAndCountsThem) {
  log::configure(Level::warn, file());
  std::filesystem::remove_all(folder_.path());
  errno = 4711;
  log::warn("nowhere to go");
  EXPECT_EQ(errno, 4711) << "errno belongs to the host";
  std::filesystem::create_directory(folder_.path());
  EXPECT_EQ(logged("here"), "(1 lines before could not be written) here");
  EXPECT_EQ(logged("here"), "here");
}

TEST_F(Log, LinesOfThreadsAndProcessesStayWhole) {
  static constexpr int kThreads = 4;
  static constexpr int kLines = 250;
  log::configure(Level::warn, file());
  const auto write_lines = [] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < kLines; ++i) log::warn(std::string(200, 'x'));
      });
    }
  };
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    write_lines();
    _exit(0);
  }
  write_lines();
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  const auto lines = lines_of(file());
  EXPECT_EQ(lines.size(), static_cast<std::size_t>(2 * kThreads * kLines));
  for (const std::string& line : lines) {
    EXPECT_TRUE(line.ends_with(": " + std::string(200, 'x'))) << line;
  }
}

TEST_F(Log, GoesToStandardErrorWithoutAFile) {
  log::configure(Level::warn, "");
  testing::internal::CaptureStderr();
  log::warn("to the terminal");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::EndsWith("to the terminal\n"));
}

}  // namespace
}  // namespace mayfly
