// What an action fails with, and what it answers by that.
#pragma once

#include "base/error.h"

namespace mayfly::test {

/// The Error that an action throws; one with CKR_OK if it throws none.
template <typename Action>
Error failure_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return {CKR_OK, "it did not fail"};
}

/// The CK_RV of the Error that an action throws; CKR_OK if it throws none.
template <typename Action>
CK_RV answer_of(Action&& action) {
  return failure_of(action).rv();
}

}  // namespace mayfly::test
