// The calls of p11-kit's remote protocol, version 0.
#pragma once

#include <cstddef>

#include "tools/broker/rpc_message.h"

namespace mayfly::broker {

/// RpcCall is one call: a row of the table.
struct RpcCall {
  const char* name;     ///< "C_Sign"
  const char* request;  ///< the pieces of a request, as the protocol spells them
  const char* answer;   ///< the pieces of an answer
  /// Reads the request, calls the function, and writes the answer if that is CKR_OK.
  /// @throws MalformedMessage
  /// @throws Error what the call is refused with before the function is called.
  CK_RV (*run)(const CK_FUNCTION_LIST& functions, RpcReader& request, RpcWriter& answer);
};

/// The call of a number, or null if there is none.
[[nodiscard]] const RpcCall* find_call(std::uint32_t number) noexcept;

}  // namespace mayfly::broker
