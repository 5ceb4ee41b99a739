// The message of the Error that a call throws.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"

namespace mayfly::test {

/// The message; "no error" if the call returns, so that a comparison with a message fails.
template <typename Call>
std::string message_of(Call&& call) {
  try {
    static_cast<void>(std::forward<Call>(call)());
  } catch (const Error& error) {
    EXPECT_EQ(error.rv(), static_cast<CK_RV>(CKR_GENERAL_ERROR));
    return error.what();
  }
  return "no error";
}

}  // namespace mayfly::test
