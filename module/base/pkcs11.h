// The PKCS#11 3.0 types and constants, from Debian's libnss3-dev.
//
// Everything that speaks PKCS#11 includes this file and no other Cryptoki header; p11-kit's own
// <p11-kit/pkcs11.h> declares the same names in another way and must not meet it in one file.
#pragma once

#include <nss/pkcs11.h>

#include "mayfly/mayfly.h"

// Of PKCS#11 3.0, but missing in the header above.
#ifndef CKA_UNIQUE_ID
#define CKA_UNIQUE_ID 0x00000004UL
#endif
