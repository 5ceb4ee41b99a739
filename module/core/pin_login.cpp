#include "core/pin_login.h"

#include "base/error.h"

namespace mayfly {

void PinLogin::check(ByteView pin) {
  // Counted before the comparison, so that many threads together get no more tries than one.
  if (wrong_.fetch_add(1) >= kMaxWrong) {
    wrong_.store(kMaxWrong);
    throw Error(CKR_PIN_LOCKED,
                "too many wrong PINs in a row; the login is locked in this process");
  }
  if (!pin_.equals(pin)) throw Error(CKR_PIN_INCORRECT, "the PIN is wrong");
  wrong_.store(0);
}

}  // namespace mayfly
