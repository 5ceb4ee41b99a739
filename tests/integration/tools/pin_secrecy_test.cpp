// The PIN stands in its file, and nowhere else that others can look.
#include <array>
#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <set>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/descriptor.h"
#include "integration/tools/mayfly_sandbox.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

/// A file of /proc; what could be read of it before its process went away.
std::string read_proc(const fs::path& file) {
  const Descriptor descriptor(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  ssize_t got = 0;
  while (descriptor && (got = read(descriptor.number(), buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

/// Collects the command lines and environments of all processes, over and over, as long as it
/// lives.
class ProcessWatch {
 public:
  ProcessWatch() : thread_([this] { watch(); }) {
    while (rounds_.load() == 0) std::this_thread::yield();
  }

  /// Everything seen since the start, once the running round has ended.
  std::set<std::string> stop() {
    stopping_.store(true);
    thread_.join();
    return std::move(seen_);
  }

 private:
  void watch() {
    while (!stopping_.load()) {
      std::error_code gone;
      for (const auto& process : fs::directory_iterator("/proc", gone)) {
        const std::string name = process.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        for (const char* file : {"cmdline", "environ"})
          seen_.insert(read_proc(process.path() / file));
      }
      rounds_.fetch_add(1);
    }
  }

  std::set<std::string> seen_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> rounds_{0};
  std::thread thread_;
};

bool anything_holds(const std::set<std::string>& texts, const std::string& secret) {
  for (const std::string& text : texts) {
    if (text.find(secret) != std::string::npos) return true;
  }
  return false;
}

TEST(PinSecrecy, TheWatchSeesAPinOnACommandLineAndInAnEnvironment) {
  ProcessWatch watch;
  ASSERT_EQ(
      run({"/bin/sh", "-c", "sleep 0.1", "pin-as-argument"}, {{"PIN", "pin-as-variable"}}).status,
      0);
  const auto seen = watch.stop();
  EXPECT_TRUE(anything_holds(seen, "pin-as-argument"));
  EXPECT_TRUE(anything_holds(seen, "pin-as-variable"));
}

TEST(PinSecrecy, NoOutputAndNoCommandLineHoldsThePin) {
  for (int round = 0; round < 5; ++round) {
    const MayflySandbox sandbox;
    const fs::path folder = sandbox.root() / "new";
    ProcessWatch watch;
    std::vector<Outcome> outcomes;
    outcomes.push_back(sandbox.mayfly({"init", "--folder", folder}));
    outcomes.push_back(sandbox.mayfly({"doctor", "--config", folder / "mayfly.toml"}));
    outcomes.push_back(sandbox.mayfly({"doctor", "--json", "--config", folder / "mayfly.toml"}));
    outcomes.push_back(sandbox.mayfly({"init", "--json", "--folder", sandbox.root() / "other"}));
    outcomes.push_back(sandbox.mayfly({"init", "--folder", folder}));
    const auto seen = watch.stop();
    for (const fs::path& file : {folder / "pin", sandbox.root() / "other/pin"}) {
      const std::string pin = read_file(file);
      ASSERT_EQ(pin.size(), 26u);
      for (const Outcome& outcome : outcomes) {
        EXPECT_THAT(outcome.out, Not(HasSubstr(pin)));
        EXPECT_THAT(outcome.err, Not(HasSubstr(pin)));
      }
      EXPECT_FALSE(anything_holds(seen, pin));
    }
  }
}

TEST(PinSecrecy, NoOtherFileHoldsThePin) {
  const MayflySandbox sandbox;
  const fs::path folder = sandbox.root() / "new";
  sandbox.init(folder);
  EXPECT_EQ(diagnose(sandbox, folder / "mayfly.toml").status, 0);
  const std::string pin = read_file(folder / "pin");
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(sandbox.root())) {
    if (!entry.is_regular_file() || entry.path().filename() == "pin") continue;
    EXPECT_THAT(read_file(entry.path()), Not(HasSubstr(pin))) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 5);
}

// A grant comes in by standard input, where this one waits for it.
TEST(CommandSecrecy, NobodyOfTheSameUserCanReadTheMemoryOfACommand) {
  const uid_t user = geteuid() == 0 ? 65534 : geteuid();  // to root, everything belongs to root
  std::array<int, 2> input{};
  ASSERT_EQ(pipe2(input.data(), O_CLOEXEC), 0);
  const pid_t command = fork();
  ASSERT_GE(command, 0);
  if (command == 0) {
    if (dup2(input[0], STDIN_FILENO) < 0 || setgid(user) != 0 || setuid(user) != 0) _exit(98);
    execl(MAYFLY_COMMAND, "mayfly", "grant", "show", "-", nullptr);
    _exit(99);
  }
  const fs::path folder = "/proc/" + std::to_string(command);
  // The kernel gives the files of a process that is not dumpable to root; before it is mayfly, that
  // says nothing.
  const auto is_closed = [&] {
    struct stat status {};
    return read_proc(folder / "comm") == "mayfly\n" &&
           stat((folder / "mem").c_str(), &status) == 0 && status.st_uid == 0;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!is_closed() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(is_closed());
  kill(command, SIGKILL);
  waitpid(command, nullptr, 0);
  close(input[0]);
  close(input[1]);
}

}  // namespace
}  // namespace mayfly::test
