#include "support/failing_memory.h"

#include <cstdlib>

namespace mayfly::test {
namespace {

thread_local unsigned left = 0;  // allocations up to the one that fails; 0 for none
thread_local bool has_struck = false;

void* allocate(std::size_t size) {
  if (left != 0 && --left == 0) {
    has_struck = true;
    throw std::bad_alloc();
  }
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

FailingMemory::FailingMemory(unsigned nth) noexcept {
  left = nth;
  has_struck = false;
}

FailingMemory::~FailingMemory() { left = 0; }

bool FailingMemory::struck() noexcept { return has_struck; }

}  // namespace mayfly::test

void* operator new(std::size_t size) { return mayfly::test::allocate(size); }
void* operator new[](std::size_t size) { return mayfly::test::allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
