// What a client is told when the device refuses.
#pragma once

#include <utility>

#include "base/error.h"

namespace mayfly {

/// A device's answer as a client may meet it. The device speaks of the sessions, keys and
/// operations that are mayfly's; a client would take that for its own, which are as good as before.
[[nodiscard]] CK_RV told_to_client(CK_RV device_answer) noexcept;

/// Whether an answer to a request for a signature, as clients are told it, says for certain that
/// none was made: the request was refused for what it is, or there was no room to begin.
[[nodiscard]] bool is_refusal_to_sign(CK_RV told) noexcept;

/// Calls the device; what it throws is told as told_to_client() says.
template <typename Call>
decltype(auto) ask_device(Call&& call) {
  try {
    return std::forward<Call>(call)();
  } catch (const Error& error) {
    throw Error(told_to_client(error.rv()), error.what());
  }
}

}  // namespace mayfly
