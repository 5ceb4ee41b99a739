// The tables of C functions.
#pragma once

#include "base/pkcs11.h"

namespace mayfly::api {

/// The functions of PKCS#11 2.40. They act on current_frontend().
[[nodiscard]] CK_FUNCTION_LIST* function_list() noexcept;
/// The functions of PKCS#11 3.0.
[[nodiscard]] CK_FUNCTION_LIST_3_0* function_list_3_0() noexcept;
/// The vendor's functions.
[[nodiscard]] MAYFLY_FUNCTION_LIST* vendor_function_list() noexcept;

}  // namespace mayfly::api
