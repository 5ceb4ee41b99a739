// What a call answers, for calls that throw it.
#pragma once

#include "base/error.h"

namespace mayfly::test {

/// The CK_RV of the Error that a call throws; CKR_OK if it throws none.
template <typename Call>
CK_RV answer_of(Call&& call) {
  try {
    call();
    return CKR_OK;
  } catch (const Error& error) {
    return error.rv();
  }
}

}  // namespace mayfly::test
