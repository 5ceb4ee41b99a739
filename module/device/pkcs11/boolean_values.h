// The values of boolean attributes.
#pragma once

#include "base/pkcs11.h"

namespace mayfly::pkcs11 {

// A template points to its values, and not as const.
inline CK_BBOOL yes = CK_TRUE;
inline CK_BBOOL no = CK_FALSE;

}  // namespace mayfly::pkcs11
