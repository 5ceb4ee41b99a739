// The function lists that the steps on the C functions call.
#pragma once

#include "api/function_lists.h"

namespace mayfly::test {

inline const CK_FUNCTION_LIST_3_0& p11() { return *api::function_list_3_0(); }
inline const MAYFLY_FUNCTION_LIST& vendor() { return *api::vendor_function_list(); }

}  // namespace mayfly::test
