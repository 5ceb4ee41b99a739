#include "base/write_line.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <climits>
#include <gtest/gtest.h>

#include "base/log.h"

namespace mayfly {
namespace {

/// Two ends of something that bytes go through. Whatever waits in here hangs the test.
class WriteLine : public testing::Test {
 protected:
  ~WriteLine() override {
    close(ends_[0]);
    close(ends_[1]);
  }

  void make_pipe() { ASSERT_EQ(pipe2(ends_, O_CLOEXEC), 0); }
  void make_sockets() { ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_), 0); }
  void make_terminal() {
    ends_[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ASSERT_EQ(grantpt(ends_[0]), 0);
    ASSERT_EQ(unlockpt(ends_[0]), 0);
    ends_[1] = open(ptsname(ends_[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ASSERT_GE(ends_[1], 0);
  }

  /// Writes until there is no room for a line. @return how many lines there were.
  int fill() const {
    int lines = 0;
    while (write_line(ends_[1], std::string(1000, 'x'))) ++lines;
    return lines;
  }
  std::string read_some() const {
    std::array<char, 8192> buffer;
    const ssize_t size = read(ends_[0], buffer.data(), buffer.size());
    return {buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
  }

  int ends_[2] = {-1, -1};
};

TEST_F(WriteLine, GoesThroughPipes) {
  make_pipe();
  EXPECT_TRUE(write_line(ends_[1], "a line"));
  EXPECT_EQ(read_some(), "a line\n");
}

TEST_F(WriteLine, GoesThroughSockets) {
  make_sockets();
  EXPECT_TRUE(write_line(ends_[1], "a line"));
  EXPECT_EQ(read_some(), "a line\n");
}

TEST_F(WriteLine, GoesToTerminals) {
  make_terminal();
  EXPECT_TRUE(write_line(ends_[1], "a line"));
  EXPECT_EQ(read_some(), "a line\r\n");
}

TEST_F(WriteLine, AFullPipeIsNotWaitedFor) {
  make_pipe();
  EXPECT_GT(fill(), 10);
  errno = ENOTTY;
  EXPECT_FALSE(write_line(ends_[1], "a line"));
  EXPECT_FALSE(write_line(ends_[1], "a line", std::chrono::milliseconds(20)));
  EXPECT_EQ(errno, ENOTTY);
  EXPECT_EQ(fcntl(ends_[1], F_GETFL) & O_NONBLOCK, 0) << "which others would share";
  read_some();
  EXPECT_TRUE(write_line(ends_[1], "a line"));
}

TEST_F(WriteLine, AFullSocketIsNotWaitedFor) {
  make_sockets();
  EXPECT_GT(fill(), 10);
  EXPECT_FALSE(write_line(ends_[1], "a line"));
}

TEST_F(WriteLine, AStoppedTerminalIsNotWaitedFor) {
  make_terminal();
  ASSERT_EQ(tcflow(ends_[1], TCOOFF), 0);
  EXPECT_FALSE(write_line(ends_[1], "a line"));
  ASSERT_EQ(tcflow(ends_[1], TCOON), 0);
  EXPECT_TRUE(write_line(ends_[1], "another"));
  EXPECT_EQ(read_some(), "another\r\n");
}

TEST_F(WriteLine, NobodyToReadItIsNoSignal) {
  make_pipe();
  close(ends_[0]);
  EXPECT_FALSE(write_line(ends_[1], "a line"));  // SIGPIPE would end the test
  ends_[0] = -1;
  EXPECT_FALSE(write_line(-1, "a line"));
}

TEST_F(WriteLine, OfALongLineTheStartIsWritten) {
  make_pipe();
  EXPECT_TRUE(write_line(ends_[1], std::string(PIPE_BUF - 2, 'x') + "ü"));
  EXPECT_EQ(read_some(), std::string(PIPE_BUF - 2, 'x') + "\n");
}

TEST_F(WriteLine, TheLogSaysHowManyLinesWereLost) {
  make_pipe();
  const int standard_error = dup(STDERR_FILENO);
  fill();
  dup2(ends_[1], STDERR_FILENO);
  for (int i = 0; i < 3; ++i) log::error("lost");
  while (read_some().size() == 8192) {
  }
  log::error("first");
  const std::string first = read_some();
  log::error("second");
  const std::string second = read_some();
  dup2(standard_error, STDERR_FILENO);
  close(standard_error);
  EXPECT_NE(first.find("error: (3 lines before could not be written) first\n"), first.npos)
      << first;
  EXPECT_NE(second.find("error: second\n"), second.npos) << second;
}

}  // namespace
}  // namespace mayfly
