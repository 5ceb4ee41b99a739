#include "core/pin_login.h"

#include "base/error.h"
#include "base/safeguard.h"

namespace mayfly {

void PinLogin::check(ByteView pin) {
  // Counted before the comparison, so that many threads together get no more tries than one.
  if (wrong_.fetch_add(1) >= kMaxWrong && kept(Safeguard::pin_attempts)) {
    wrong_.store(kMaxWrong);
    throw Error(CKR_PIN_LOCKED, "too many wrong PINs in a row; the task's login is locked");
  }
  if (!pin_->equals(pin)) throw Error(CKR_PIN_INCORRECT, "the PIN is wrong");
  wrong_.store(0);
}

CK_FLAGS PinLogin::token_flags() const noexcept {
  const unsigned wrong = wrong_.load();
  if (wrong >= kMaxWrong) return CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_LOCKED;
  if (wrong + 1 == kMaxWrong) return CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY;
  return wrong == 0 ? 0 : CKF_USER_PIN_COUNT_LOW;
}

}  // namespace mayfly
