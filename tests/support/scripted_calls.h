// The function list that follows a CallScript.
#pragma once

#include "base/pkcs11.h"
#include "support/call_script.h"

namespace mayfly::test {

/// A list whose functions do what the script says and otherwise what `inner` does. One for each
/// process.
/// @param real  The device itself, for what is done to it as a whole. Outlives the list.
[[nodiscard]] CK_FUNCTION_LIST script_calls(CallScript& script, const CK_FUNCTION_LIST& inner,
                                            const CK_FUNCTION_LIST& real);

}  // namespace mayfly::test
