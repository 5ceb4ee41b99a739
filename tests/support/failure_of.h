// What an action fails with.
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

}  // namespace mayfly::test
