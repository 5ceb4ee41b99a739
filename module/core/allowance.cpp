#include "core/allowance.h"

#include "base/safeguard.h"

namespace mayfly {

bool Allowance::take() noexcept {
  if (!is_limited() || !kept(Safeguard::quotas)) return true;
  std::uint64_t taken = taken_.load();
  while (taken < most()) {
    if (taken_.compare_exchange_weak(taken, taken + 1)) return true;
  }
  return false;
}

void Allowance::give_back() noexcept {
  if (is_limited()) taken_.fetch_sub(1);
}

bool Allowance::spend() noexcept {
  return is_limited() && kept(Safeguard::quotas) && spent_.fetch_add(1) + 1 == most();
}

}  // namespace mayfly
