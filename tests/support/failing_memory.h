// Memory that runs out on demand. A test that links failing_memory.cpp has its operator new
// replaced.
#pragma once

#include <new>

namespace mayfly::test {

/// While one lives, one allocation of its thread fails with std::bad_alloc: the n-th, from 1.
class FailingMemory {
 public:
  explicit FailingMemory(unsigned nth) noexcept;
  ~FailingMemory();
  FailingMemory(const FailingMemory&) = delete;
  FailingMemory& operator=(const FailingMemory&) = delete;

  /// Whether that allocation was asked for.
  [[nodiscard]] static bool struck() noexcept;
};

/// Tries `act` with its first allocation failing, then with its second, and so on until a try gets
/// by. `check` is called after each that did not. What is made once and kept should be there
/// before, or the next try needs fewer.
/// @return how many failed.
template <typename Act, typename Check>
unsigned with_each_allocation_failing(Act act, Check check) {
  for (unsigned nth = 1;; ++nth) {
    try {
      const FailingMemory memory(nth);
      act();
      return nth - 1;
    } catch (const std::bad_alloc&) {
    }
    check();
  }
}

}  // namespace mayfly::test
