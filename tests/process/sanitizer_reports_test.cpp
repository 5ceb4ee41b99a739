// That the error of a process below a test reaches the test.
#include "support/sanitizer_reports.h"

#include <cstdlib>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mayfly::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kReport = "heap-use-after-free";  // in the words of each sanitizer

void err() {
  auto* volatile number = static_cast<volatile int*>(std::malloc(sizeof(int)));
  *number = 1;
  std::free(const_cast<int*>(number));
  *number = 2;
}

/// Runs `body` in a child that nobody hears and that ends well, if it gets so far.
template <typename Body>
void in_silent_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    body();
    _exit(0);
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
}

TEST(SanitizerReports, ComeFromAForkedChild) {
  in_silent_child(err);
  EXPECT_THAT(take_sanitizer_reports(), ElementsAre(HasSubstr(kReport)));
  EXPECT_THAT(take_sanitizer_reports(), IsEmpty());
}

TEST(SanitizerReports, ComeFromAProgram) {
  constexpr const char* kIsBelow = "MAYFLY_TEST_IS_BELOW";
  if (std::getenv(kIsBelow) != nullptr) err();
  in_silent_child([] {
    setenv(kIsBelow, "1", 1);
    execl("/proc/self/exe", "below", "--gtest_filter=SanitizerReports.ComeFromAProgram", nullptr);
  });
  EXPECT_THAT(take_sanitizer_reports(), ElementsAre(HasSubstr(kReport)));
}

TEST(SanitizerReports, AreNotThereWithoutAnError) {
  in_silent_child([] {});
  EXPECT_THAT(take_sanitizer_reports(), IsEmpty());
}

}  // namespace
}  // namespace mayfly::test
