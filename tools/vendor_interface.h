// The interfaces of libmayfly.so, for who has loaded it.
#pragma once

#include <string>

#include "base/pkcs11.h"

namespace mayfly::tools {

/// What C_GetInterface of a libmayfly.so that is loaded already has by a name: "PKCS 11" for the
/// newest functions of the standard, MAYFLY_INTERFACE_NAME for mayfly's own.
/// @throws Failure kInternal if it has none.
[[nodiscard]] void* library_interface(const std::string& library, std::string name);

/// The vendor interface of a libmayfly.so that is loaded already.
/// @throws Failure kInternal if it has none.
[[nodiscard]] MAYFLY_FUNCTION_LIST* vendor_interface(const std::string& library);

}  // namespace mayfly::tools
