#include "base/fork_epoch.h"

#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace mayfly {
namespace {

/// Forks and gives what `check` says in the child: 0 for good.
int in_child(const auto& check) {
  const pid_t child = fork();
  if (child == 0) _exit(check());
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ForkEpoch, CountsUpInTheChildOnly) {
  ForkEpoch::watch();
  const std::uint64_t before = ForkEpoch::current();
  EXPECT_EQ(in_child([&] { return ForkEpoch::current() == before + 1 ? 0 : 1; }), 0);
  EXPECT_EQ(ForkEpoch::current(), before);
}

TEST(ForkEpoch, WatchingTwiceCountsOnce) {
  ForkEpoch::watch();
  ForkEpoch::watch();
  const std::uint64_t before = ForkEpoch::current();
  EXPECT_EQ(in_child([&] {
              ForkEpoch::watch();
              return ForkEpoch::current() == before + 1 ? 0 : 1;
            }),
            0);
}

TEST(ForkEpoch, TellsGrandchildrenApart) {
  ForkEpoch::watch();
  const std::uint64_t before = ForkEpoch::current();
  EXPECT_EQ(in_child([&] {
              return in_child([&] { return ForkEpoch::current() == before + 2 ? 0 : 1; });
            }),
            0);
}

TEST(ForkEpoch, CountsForksOfAnyThread) {
  ForkEpoch::watch();
  const std::uint64_t before = ForkEpoch::current();
  int result = -1;
  std::jthread([&] {
    result = in_child([&] { return ForkEpoch::current() == before + 1 ? 0 : 1; });
  }).join();
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace mayfly
