#include "base/eager_wait.h"

#include <gtest/gtest.h>

namespace mayfly {
namespace {

/// Has nothing for some calls, then seven bytes.
class LateSocket {
 public:
  explicit LateSocket(int late) : late_(late) {}
  ssize_t operator()(int flags) {
    EXPECT_EQ(flags, MSG_DONTWAIT);
    if (late_-- <= 0) return 7;
    errno = EAGAIN;
    return -1;
  }

 private:
  int late_;
};

TEST(EagerWait, TakesWhatIsThere) {
  EagerWait wait{std::chrono::seconds(10)};
  EXPECT_EQ(wait.look(LateSocket(0)), 7);
}

TEST(EagerWait, TakesWhatComes) {
  EagerWait wait{std::chrono::seconds(10)};
  ssize_t found = -1;
  // On a busy machine somebody may want the processor, for a while.
  for (int i = 0; i < 100'000 && found < 0; ++i) found = wait.look(LateSocket(1));
  EXPECT_EQ(found, 7);
}

TEST(EagerWait, EndsWhenItsTimeIsUp) {
  EagerWait wait{std::chrono::microseconds(100)};
  errno = 0;
  EXPECT_EQ(wait.look(LateSocket(1'000'000'000)), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(EagerWait, WithoutTimeLooksForNothing) {
  EagerWait wait{std::chrono::microseconds(0)};
  errno = 0;
  EXPECT_EQ(wait.look(LateSocket(0)), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(EagerWait, HandsOnAFailureAtOnce) {
  EagerWait wait{std::chrono::seconds(10)};
  int calls = 0;
  EXPECT_EQ(wait.look([&](int) -> ssize_t {
    ++calls;
    errno = ECONNRESET;
    return -1;
  }),
            -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace mayfly
