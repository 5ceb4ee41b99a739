// Who is counted as being inside the module.
#include "api/call_gate.h"

#include <gtest/gtest.h>

namespace mayfly::api {
namespace {

constexpr std::uint64_t kThisProcess = 0;
constexpr std::uint64_t kForkedChild = 1;

TEST(CallGate, CountsAThreadThatIsInsideAcrossARestartInTheSameProcess) {
  CallGate gate;
  std::size_t stripe = 0;
  gate.open(kThisProcess);
  ASSERT_TRUE(gate.enter(stripe));
  ASSERT_TRUE(gate.close());
  gate.open(kThisProcess);
  EXPECT_TRUE(gate.is_occupied()) << "it could be taken down under the thread";
  gate.leave(stripe);
  EXPECT_FALSE(gate.is_occupied()) << "it could never be taken down again";
}

TEST(CallGate, ForgetsTheThreadsOfAParent) {
  CallGate gate;
  std::size_t stripe = 0;
  gate.open(kThisProcess);
  ASSERT_TRUE(gate.enter(stripe));
  gate.open(kForkedChild);
  EXPECT_FALSE(gate.is_occupied());
}

TEST(CallGate, LetsNobodyInWhileItIsClosed) {
  CallGate gate;
  std::size_t stripe = 0;
  EXPECT_FALSE(gate.enter(stripe));
  gate.open(kThisProcess);
  EXPECT_TRUE(gate.close());
  EXPECT_FALSE(gate.close());
  EXPECT_FALSE(gate.enter(stripe));
  EXPECT_FALSE(gate.is_occupied());
}

}  // namespace
}  // namespace mayfly::api
