#include "core/session_key.h"

#include "base/error.h"

namespace mayfly {

SessionKey::Use::Use(SessionKey& key) : key_(key) {
  if ((key_.uses_.fetch_add(1) & kShut) != 0) {
    key_.uses_.fetch_sub(1);
    key_.uses_.notify_all();
    throw Error(CKR_OPERATION_NOT_INITIALIZED, "the key was destroyed");
  }
}

SessionKey::Use::~Use() {
  if (key_.uses_.fetch_sub(1) == (kShut | 1)) key_.uses_.notify_all();
}

bool SessionKey::add_name() noexcept {
  std::uint32_t names = names_.load();
  while (names != 0) {
    if (names_.compare_exchange_weak(names, names + 1)) return true;
  }
  return false;
}

bool SessionKey::drop_name() noexcept { return names_.fetch_sub(1) == 1; }

Destruction SessionKey::destroy() noexcept {
  if ((uses_.fetch_or(kShut) & kShut) != 0) {
    outcome_.wait(kUnknown);
    return outcome_.load() == kDestroyed ? Destruction::destroyed : Destruction::pending;
  }
  for (std::uint32_t uses = uses_.load(); uses != kShut; uses = uses_.load()) uses_.wait(uses);
  const Destruction result = key_->destroy();
  outcome_.store(result == Destruction::destroyed ? kDestroyed : kPending);
  outcome_.notify_all();
  return result;
}

}  // namespace mayfly
