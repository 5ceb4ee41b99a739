// mayfly's own interface of libmayfly.so.
#pragma once

#include <string>

#include "base/pkcs11.h"

namespace mayfly::tools {

/// The vendor interface of a libmayfly.so that is loaded already.
/// @throws Failure kInternal if it has none.
[[nodiscard]] MAYFLY_FUNCTION_LIST* vendor_interface(const std::string& library);

}  // namespace mayfly::tools
