// Commands that misbehave, and hosts that get in the way.
#include "base/program_run.h"

#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bounded_read.h"
#include "base/descriptor.h"
#include "support/temp_folder.h"
#include "unit/config/message_of.h"

namespace mayfly {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using test::message_of;

/// A pipe: its end for reading, its end for writing. The latter reaches children where asked for.
struct Pipe {
  explicit Pipe(bool inherited = false) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category());
    output.reset(ends[0]);
    input.reset(ends[1]);
    if (inherited) fcntl(input.number(), F_SETFD, 0);
  }
  Descriptor output;
  Descriptor input;
};

/// A named pipe that a script holds open as long as one of its processes lives.
struct Fifo {
  explicit Fifo(const std::filesystem::path& name) : path(name.string()) {
    mkfifo(path.c_str(), 0600);
    output.reset(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }
  /// Whether there was a writer and the last one is gone within ten seconds.
  bool ends() const {
    pollfd item{output.number(), 0, 0};
    return poll(&item, 1, 10'000) == 1 && (item.revents & POLLHUP) != 0;
  }
  std::string path;
  Descriptor output;
};

ProgramRun command(std::vector<std::string> arguments, std::chrono::milliseconds limit = 10s) {
  return {"the PIN command", std::move(arguments), {}, "the PIN", limit};
}

class ProgramRunTest : public testing::Test {
 protected:
  std::string script(const std::string& body) {
    return folder_.write("command", "#!/bin/sh\n" + body + "\n", 0700).string();
  }
  /// Runs a script; the output, or the message without the program's name.
  std::string run(const std::string& body, std::chrono::milliseconds limit = 10s) {
    const std::string program = script(body);
    Bytes room(257);
    std::string output;
    const std::string message = message_of([&] {
      output = std::string(as_text({room.data(), run_program(command({program}, limit), room)}));
      return 0;
    });
    if (message == "no error") return output;
    const std::string prefix = "the PIN command " + program + " ";
    EXPECT_THAT(message, testing::StartsWith(prefix));
    return message.substr(std::min(message.size(), prefix.size()));
  }

  test::TempFolder folder_;
};

TEST_F(ProgramRunTest, StandardInputIsEmpty) { EXPECT_EQ(run("cat; echo done"), "done\n"); }

TEST_F(ProgramRunTest, OutputInPiecesIsJoined) {
  EXPECT_EQ(run("printf 12; printf 34; exec >&-; exit 0"), "1234");
}

TEST_F(ProgramRunTest, FailureIsToldEvenIfAPinWasWritten) {
  EXPECT_EQ(run("echo 1234; exit 3"), "ended with exit status 3; run it by hand to see why");
  EXPECT_EQ(run("echo 1234; kill -TERM $$"), "was ended by signal 15; run it by hand to see why");
}

TEST_F(ProgramRunTest, TooMuchOutputIsCutOffAndTheWriterKilled) {
  EXPECT_EQ(run("exec yes"), "writes too much; it must write the PIN only");
}

TEST_F(ProgramRunTest, ThatHangsIsKilledWithItsChildren) {
  const Fifo held(folder_.path() / "fifo");
  const auto start = steady_clock::now();
  EXPECT_EQ(run("exec 3>" + held.path + "; sleep 600 & sleep 600", 300ms),
            "was not done after 300 ms; run it by hand to see what it waits for");
  EXPECT_LT(steady_clock::now() - start, 5s);
  EXPECT_TRUE(held.ends()) << "somebody of the command's group still lives";
}

TEST_F(ProgramRunTest, ThatLeavesAChildWithThePipeIsKilledAtTheLimit) {
  const Fifo held(folder_.path() / "fifo");
  EXPECT_EQ(run("exec 3>" + held.path + "; echo 1234; sleep 600 & exit 0", 300ms),
            "was not done after 300 ms; run it by hand to see what it waits for");
  EXPECT_TRUE(held.ends()) << "the child outlived the command";
}

TEST_F(ProgramRunTest, ThatClosesItsOutputAndHangsIsKilled) {
  EXPECT_EQ(run("echo 1234; exec >&-; sleep 600", 300ms),
            "was not done after 300 ms; run it by hand to see what it waits for");
}

TEST_F(ProgramRunTest, FindsItsInputAndItsEnd) {
  const std::string program = script("cat; echo end");
  const std::string input(100'000, 'x');  // more than a pipe holds
  Bytes room(200'000);
  ProgramRun wanted = command({program});
  wanted.input = input;
  const std::size_t size = run_program(wanted, room);
  EXPECT_EQ(as_text({room.data(), size}), input + "end\n");
}

TEST_F(ProgramRunTest, ThatCannotBeRunIsTold) {
  Bytes room(10);
  EXPECT_EQ(message_of([&] { return run_program(command({"/nowhere/pin"}), room); }),
            "the PIN command /nowhere/pin can't be run: No such file or directory; check its path "
            "and permissions");
  const auto file = folder_.write("plain", "x", 0600).string();
  EXPECT_EQ(message_of([&] { return run_program(command({file}), room); }),
            "the PIN command " + file +
                " can't be run: Permission denied; check its path and permissions");
}

TEST_F(ProgramRunTest, GetsNoDescriptorOfTheHost) {
  const Pipe pipe(true);
  EXPECT_EQ(run("ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ") << "3 is the folder that ls reads";
}

TEST_F(ProgramRunTest, GetsNoSignalMaskOfTheHost) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &all, &before), 0);
  const auto old_handler = signal(SIGPIPE, SIG_IGN);
  const std::string blocked = run("grep ^SigBlk /proc/self/status | cut -f2");
  const std::string ignored = run("grep ^SigIgn /proc/self/status | cut -f2");
  signal(SIGPIPE, old_handler);
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
  EXPECT_EQ(blocked, "0000000000000000\n");
  // The C library keeps two signals above the 31 standard ones for itself.
  EXPECT_EQ(std::stoull(ignored, nullptr, 16) & 0x7fffffff, 0u) << ignored;
}

TEST_F(ProgramRunTest, WorksWithTheHostsStandardStreamsClosed) {
  const std::string program = script("cat; echo 1234");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (const int stream : {0, 1, 2}) close(stream);
    Bytes room(257);
    const bool good =
        run_program(command({program}), room) == 5 && as_text({room.data(), 5}) == "1234\n";
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(ProgramRunTest, InAHostThatIgnoresItsChildrenFailsClosed) {
  const auto before = signal(SIGCHLD, SIG_IGN);
  const std::string answer = run("echo 1234");
  signal(SIGCHLD, before);
  EXPECT_EQ(answer,
            "has an unknown exit status, because this process ignores SIGCHLD or waits for all "
            "children; do without the command there");
}

TEST_F(ProgramRunTest, LeavesTheHostsOtherChildrenAlone) {
  Pipe pipe;
  const pid_t other = fork();
  ASSERT_GE(other, 0);
  if (other == 0) _exit(7);
  EXPECT_EQ(run("echo 1234"), "1234\n");
  int status = 0;
  EXPECT_EQ(waitpid(other, &status, 0), other);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child of the command was left unreaped";
}

TEST_F(ProgramRunTest, SurvivesSignalsAndManyThreads) {
  const std::string program = script("echo 1234");
  static std::atomic<int> seen{0};
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { seen.fetch_add(1); };  // without SA_RESTART: calls get EINTR
  ASSERT_EQ(sigaction(SIGCHLD, &action, &before), 0);
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        Bytes room(257);
        if (run_program(command({program}), room) == 5) good.fetch_add(1);
      });
    }
  }
  ASSERT_EQ(sigaction(SIGCHLD, &before, nullptr), 0);
  EXPECT_EQ(good.load(), 8);
  EXPECT_GT(seen.load(), 0);
}

TEST(BoundedRead, ThatNeverEndsTimesOut) {
  const Pipe pipe;
  ASSERT_EQ(write(pipe.input.number(), "12", 2), 2);
  Bytes room(10);
  try {
    static_cast<void>(read_to_end(pipe.output.number(), room, steady_clock::now() + 50ms));
    FAIL() << "no error";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::timed_out);
  }
}

TEST(BoundedRead, StopsWhenTheRoomIsFull) {
  const Pipe pipe;
  ASSERT_EQ(write(pipe.input.number(), "123456", 6), 6);
  Bytes room(4);
  EXPECT_EQ(read_to_end(pipe.output.number(), room, steady_clock::now() + 10s), 4u);
  EXPECT_EQ(as_text(room), "1234");
}

}  // namespace
}  // namespace mayfly
