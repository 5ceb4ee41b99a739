// The numbers by which PKCS#11 names hashes.
#pragma once

#include "base/hash.h"
#include "base/pkcs11.h"

namespace mayfly {

/// CKM_SHA256 and its like; 0 for Hash::none.
[[nodiscard]] CK_MECHANISM_TYPE hash_mechanism(Hash hash) noexcept;
/// CKG_MGF1_SHA256 and its like, as CK_RSA_PKCS_PSS_PARAMS has it; 0 for Hash::none.
[[nodiscard]] CK_RSA_PKCS_MGF_TYPE mgf_of(Hash hash) noexcept;

}  // namespace mayfly
