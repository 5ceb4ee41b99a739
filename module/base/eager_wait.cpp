#include "base/eager_wait.h"

#include <sched.h>

namespace mayfly {
namespace {

// Somebody else had the processor when it took longer than this to give it away and get it back.
constexpr std::chrono::microseconds kUncontended{5};
// How often that may be: whoever had it may be who is waited for.
constexpr unsigned kGivenAway = 1;
// Waits that are slept through once that was seen.
constexpr unsigned kCalm = 512;

}  // namespace

bool EagerWait::is_wanted(Clock::time_point& now, unsigned& given_away) noexcept {
  const auto before = Clock::now();
  sched_yield();
  now = Clock::now();
  if (now - before <= kUncontended || ++given_away <= kGivenAway) return false;
  calm_ = kCalm;
  errno = EAGAIN;
  return true;
}

}  // namespace mayfly
