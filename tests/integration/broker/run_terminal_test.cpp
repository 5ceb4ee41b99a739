// `mayfly run` on a terminal, as a person uses it.
#include <array>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "integration/broker/mayfly_run.h"

namespace mayfly::test {
namespace {

/// A program on a terminal of its own, and the person in front of it.
class Screen {
 public:
  explicit Screen(std::vector<std::string> command) {
    number_ = forkpty(&terminal_, nullptr, nullptr, nullptr);
    if (number_ == 0) {
      unsetenv("SOFTHSM2_CONF");
      for (const int number : {SIGINT, SIGQUIT, SIGHUP, SIGTSTP}) signal(number, SIG_DFL);
      std::vector<char*> pointers;
      for (std::string& argument : command) pointers.push_back(argument.data());
      pointers.push_back(nullptr);
      execv(pointers[0], pointers.data());
      _exit(99);
    }
  }
  ~Screen() {
    close(terminal_);
    if (number_ > 0) {
      kill(number_, SIGKILL);
      waitpid(number_, nullptr, 0);
    }
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void type(const std::string& keys) const {
    ASSERT_EQ(write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }

  /// Waits until the screen shows a text behind what earlier calls found.
  [[nodiscard]] bool shows(const std::string& text) {
    return eventually([&] {
      read_on();
      const std::size_t at = seen_.find(text, place_);
      if (at == std::string::npos) return false;
      place_ = at + text.size();
      return true;
    });
  }
  [[nodiscard]] const std::string& all() const noexcept { return seen_; }

  [[nodiscard]] int wait() {
    int status = -1;
    eventually([&] {
      read_on();
      return waitpid(number_, &status, WNOHANG) == number_;
    });
    if (status != -1) number_ = -1;
    return status;
  }

 private:
  void read_on() {
    pollfd entry{terminal_, POLLIN, 0};
    std::array<char, 4096> buffer;
    while (poll(&entry, 1, 0) > 0 && (entry.revents & POLLIN) != 0) {
      const ssize_t size = read(terminal_, buffer.data(), buffer.size());
      if (size <= 0) return;
      seen_.append(buffer.data(), static_cast<std::size_t>(size));
    }
  }

  int terminal_ = -1;
  pid_t number_ = -1;
  std::string seen_;
  std::size_t place_ = 0;
};

std::vector<std::string> mayfly(const BrokerHome& home, const std::string& script) {
  return {mayfly_program().string(),
          "run",
          "--config",
          home.config_file().string(),
          "--task",
          "t",
          "--",
          "/bin/sh",
          "-c",
          script};
}

std::string quoted(const std::vector<std::string>& command) {
  std::string line;
  for (const std::string& word : command) line += "'" + word + "' ";
  return line;
}

TEST(RunTerminal, TheCommandReadsFromIt) {
  const BrokerHome home;
  Screen screen(mayfly(home, "echo ready; read line; echo got-$line"));
  ASSERT_TRUE(screen.shows("ready")) << screen.all();
  screen.type("hello\n");
  EXPECT_TRUE(screen.shows("got-hello")) << screen.all();
  EXPECT_EQ(screen.wait(), 0);
}

TEST(RunTerminal, ControlCReachesTheCommandAndThenUs) {
  const BrokerHome home;
  // exec, because dash can lose a SIGINT that comes while it starts a program.
  Screen screen(mayfly(home, "echo ready; exec sleep 600"));
  ASSERT_TRUE(screen.shows("ready")) << screen.all();
  screen.type("\x03");
  EXPECT_EQ(screen.wait(), SIGINT);
  EXPECT_TRUE(eventually([&] { return home.processes().empty(); }));
}

TEST(RunTerminal, AShellWithJobsCanStopAndContinueUs) {
  const BrokerHome home;
  Screen screen({"/bin/bash", "--norc", "--noprofile", "-i"});
  screen.type("PS1=; set +o history; echo start-$((40+2))\n");
  ASSERT_TRUE(screen.shows("start-42")) << screen.all();
  screen.type(quoted(mayfly(home, "echo up-$((1+1)); read line; echo got-$line; exit 4")) + "\n");
  ASSERT_TRUE(screen.shows("up-2")) << screen.all();
  screen.type("\x1a");
  ASSERT_TRUE(screen.shows("Stopped")) << screen.all();
  screen.type("echo shell-$((2+1))\n");
  ASSERT_TRUE(screen.shows("shell-3")) << screen.all();
  screen.type("fg\n");
  ASSERT_TRUE(screen.shows("mayfly")) << screen.all();
  screen.type("again\n");
  ASSERT_TRUE(screen.shows("got-again")) << screen.all();
  screen.type("echo status-$?-\n");
  EXPECT_TRUE(screen.shows("status-4-")) << screen.all();
  screen.type("exit\n");
  EXPECT_EQ(screen.wait(), 0);
}

TEST(RunTerminal, ItIsGivenBackWhenTheSupervisorIsKilled) {
  const BrokerHome home;
  // A shell without jobs does not take it back by itself.
  Screen screen({"/bin/sh", "-c",
                 quoted(mayfly(home, "kill -9 $PPID; sleep 600")) +
                     "; echo shell-$((2+1)); read line; echo got-$line"});
  ASSERT_TRUE(screen.shows("shell-3")) << screen.all();
  screen.type("hello\n");
  EXPECT_TRUE(screen.shows("got-hello")) << screen.all();
  EXPECT_EQ(screen.wait(), 0);
}

TEST(RunTerminal, InTheBackgroundItLeavesTheTerminalToTheShell) {
  const BrokerHome home;
  Screen screen({"/bin/bash", "--norc", "--noprofile", "-i"});
  screen.type("PS1=; " + quoted(mayfly(home, "echo up-$((1+1)); sleep 0.3; echo down-$((1+1))")) +
              "&\n");
  ASSERT_TRUE(screen.shows("up-2")) << screen.all();
  screen.type("echo shell-$((2+1))\n");
  EXPECT_TRUE(screen.shows("shell-3")) << screen.all();
  screen.type("wait; exit 8\n");
  EXPECT_TRUE(screen.shows("down-2")) << screen.all();
  EXPECT_EQ(WEXITSTATUS(screen.wait()), 8);
}

TEST(RunTerminal, AnInteractiveShellIsACommandLikeAnyOther) {
  const BrokerHome home;
  Screen screen({mayfly_program().string(), "run", "--config", home.config_file().string(),
                 "--task", "t", "--", "/bin/bash", "--norc", "--noprofile", "-i"});
  screen.type("PS1=; echo task-$MAYFLY_TASK_ID-\n");
  ASSERT_TRUE(screen.shows("task-t-")) << screen.all();
  EXPECT_EQ(screen.all().find("no job control"), std::string::npos) << screen.all();
  // A process of its own says so: bash would lose a SIGINT that comes before it starts sleep.
  screen.type("sh -c 'echo asleep-$((1+2)); exec sleep 600'\n");
  ASSERT_TRUE(screen.shows("asleep-3")) << screen.all();
  screen.type("\x03");
  ASSERT_TRUE(screen.shows("^C")) << screen.all();
  screen.type("\n\necho alive-$((3+1))\n");
  EXPECT_TRUE(screen.shows("alive-4")) << screen.all();
  screen.type("exit 5\n");
  EXPECT_EQ(WEXITSTATUS(screen.wait()), 5);
}

}  // namespace
}  // namespace mayfly::test
