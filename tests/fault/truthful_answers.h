// Which return values a client with good arguments may meet when the device fails.
#pragma once

#include <string_view>

#include "base/pkcs11.h"

namespace mayfly::test {

/// Whether PKCS#11 3.0 names the value for the function (5.1.1 to 5.1.3 and the function's own
/// list) and it is true for a client whose arguments, session and handles are good: what the device
/// says of mayfly's own sessions, keys and operations on it is none of the client's business.
/// @param task_gone  Whether the task has ended, with its token, sessions and keys.
[[nodiscard]] bool is_truthful_failure(std::string_view function, CK_RV rv, bool task_gone);

}  // namespace mayfly::test
