// What the kernel knows of this process, and of children that tests fork.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace mayfly::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

/// A folder of /proc counted.
inline std::size_t count_entries(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}
/// Open descriptors of this process.
inline std::size_t open_descriptors() { return count_entries("/proc/self/fd"); }
/// Threads of this process.
inline std::size_t threads() { return count_entries("/proc/self/task"); }

/// Whether a thread of this process sleeps in the kernel, or is not there any more.
inline bool is_asleep(pid_t thread) {
  std::ifstream stream("/proc/self/task/" + std::to_string(thread) + "/stat");
  const std::string stat((std::istreambuf_iterator<char>(stream)), {});
  const std::size_t state = stat.rfind(')');  // the name before it may hold anything
  return state == std::string::npos || stat.substr(state, 3) == ") S";
}

/// Waits until a thread of this process sleeps in the kernel.
inline void await_sleep(pid_t thread) {
  while (!is_asleep(thread)) usleep(200);
}

/// Runs `body` in a forked child, which must end without a failure, a signal or a time-out.
template <typename Body>
void expect_in_child(Body body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(60);  // a child that hangs must not hang the test
    body();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "the child died of signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the child saw a failure";
}

}  // namespace mayfly::test
