#include "base/process_identity.h"

#include <array>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/error.h"

namespace mayfly {
namespace {

/// A child process that waits to be killed, and what it says of itself.
class Child {
 public:
  /// @param name  What it calls itself, at most 15 bytes.
  explicit Child(const char* name = "child") {
    std::array<int, 2> pipe_ends{};
    if (pipe(pipe_ends.data()) != 0) throw std::runtime_error("pipe");
    number_ = fork();
    if (number_ == 0) {
      prctl(PR_SET_NAME, name);
      const ProcessIdentity self = ProcessIdentity::self();
      const std::array<std::uint64_t, 2> numbers = {self.pid, self.started};
      if (write(pipe_ends[1], numbers.data(), sizeof numbers) < 0) _exit(1);
      pause();
      _exit(0);
    }
    close(pipe_ends[1]);
    std::array<std::uint64_t, 2> numbers{};
    if (read(pipe_ends[0], numbers.data(), sizeof numbers) != sizeof numbers) {
      throw std::runtime_error("the child said nothing");
    }
    close(pipe_ends[0]);
    identity_ = ProcessIdentity::self();
    identity_.pid = numbers[0];
    identity_.started = numbers[1];
  }
  ~Child() {
    if (number_ > 0) end();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void end() {
    kill(number_, SIGKILL);
    waitpid(number_, nullptr, 0);
    number_ = -1;
  }
  [[nodiscard]] const ProcessIdentity& identity() const noexcept { return identity_; }

 private:
  pid_t number_ = -1;
  ProcessIdentity identity_;
};

Liveness seen(const ProcessIdentity& process) { return liveness(process, ProcessIdentity::self()); }

TEST(ProcessIdentity, IsTheSameEachTimeAndNotAnother) {
  const ProcessIdentity self = ProcessIdentity::self();
  EXPECT_EQ(self, ProcessIdentity::self());
  EXPECT_EQ(self.boot.size(), 16U);
  EXPECT_EQ(self.pid, static_cast<std::uint64_t>(getpid()));
  EXPECT_GT(self.started, 0U);
  const Child child;
  EXPECT_EQ(child.identity().pid_namespace, self.pid_namespace);
  EXPECT_NE(child.identity(), self);
}

TEST(ProcessIdentity, LivesAsLongAsTheProcess) {
  EXPECT_EQ(seen(ProcessIdentity::self()), Liveness::alive);
  Child child;
  EXPECT_EQ(seen(child.identity()), Liveness::alive);
  child.end();
  EXPECT_EQ(seen(child.identity()), Liveness::dead);
}

TEST(ProcessIdentity, IsDeadWhenItIsOnlyWaitedFor) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  ProcessIdentity identity = ProcessIdentity::self();
  std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
  std::string field;
  for (int i = 0; i < 22; ++i) stat >> field;
  identity.pid = static_cast<std::uint64_t>(child);
  identity.started = std::stoull(field);
  EXPECT_EQ(seen(identity), Liveness::alive);
  kill(child, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(seen(identity), Liveness::dead);
  waitpid(child, nullptr, 0);
}

TEST(ProcessIdentity, AnotherProcessOfThatNumberIsNotIt) {
  const Child child;
  ProcessIdentity earlier = child.identity();
  --earlier.started;
  EXPECT_EQ(seen(earlier), Liveness::dead);
}

TEST(ProcessIdentity, ANameFullOfBracketsAndNumbersIsNoTrap) {
  const Child child(") R 1 2 (3) 4");
  EXPECT_EQ(seen(child.identity()), Liveness::alive);
}

TEST(ProcessIdentity, IsWhatItsTextSays) {
  const ProcessIdentity self = ProcessIdentity::self();
  EXPECT_EQ(ProcessIdentity::parse(self.text()), self);
  const std::string good = "0123456789abcdef:f0000001:0:7:1a";
  ASSERT_TRUE(ProcessIdentity::parse(good));
  EXPECT_EQ(ProcessIdentity::parse(good)->started, 0x1aU);
  for (const char* const bad :
       {"", ":", "0123456789abcdef", "0123456789abcdef:1:2:3", "0123456789abcdef:1:2:3:4:5",
        "0123456789abcdef:1:2:3:4:", "0123456789abcdeg:1:2:3:4", "0123456789abcde:1:2:3:4",
        "0123456789abcdef:01:2:3:4", "0123456789abcdef:1:2:3:A", "0123456789abcdef:1:2::4",
        "0123456789abcdef:1:2:-3:4", "0123456789abcdef:1:2:3:11111111111111111"}) {
    EXPECT_FALSE(ProcessIdentity::parse(bad)) << bad;
  }
}

TEST(ProcessIdentity, OfAnotherBootOrNamespaceIsOutOfSight) {
  Child child;
  child.end();
  ProcessIdentity other = child.identity();
  other.boot[0] = other.boot[0] == '0' ? '1' : '0';
  EXPECT_EQ(seen(other), Liveness::out_of_sight);
  other = child.identity();
  ++other.pid_namespace;
  EXPECT_EQ(seen(other), Liveness::out_of_sight);
  other = child.identity();
  ++other.time_namespace;
  EXPECT_EQ(seen(other), Liveness::out_of_sight);
}

TEST(ProcessIdentity, ANumberThatNoProcessCanHaveIsDead) {
  ProcessIdentity self = ProcessIdentity::self();
  for (const std::uint64_t pid : {std::uint64_t{0}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
    self.pid = pid;
    EXPECT_EQ(seen(self), Liveness::dead) << pid;
  }
}

/// In a namespace of its own, with the old /proc still mounted, /proc tells of other processes.
TEST(ProcessIdentity, AProcOfAnotherNamespaceIsNotBelieved) {
  const pid_t helper = fork();
  if (helper == 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0 && unshare(CLONE_NEWPID) != 0) _exit(2);
    const pid_t inside = fork();
    if (inside == 0) {
      try {
        static_cast<void>(ProcessIdentity::self());
      } catch (const Error& error) {
        _exit(error.rv() == CKR_FUNCTION_FAILED ? 0 : 3);
      }
      _exit(1);
    }
    int status = 0;
    waitpid(inside, &status, 0);
    _exit(WEXITSTATUS(status));
  }
  int status = 0;
  waitpid(helper, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace mayfly
