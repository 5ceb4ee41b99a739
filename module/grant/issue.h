// Making grants.
#pragma once

#include <string>

#include "base/signer.h"
#include "grant/grant.h"

namespace mayfly::grant {

/// Writes a grant and has it signed. What comes out was verified as a broker would do it, so that
/// neither a claim that verify() refuses nor a bad signature is ever given out.
/// @param key_id  The header's kid; empty takes the thumbprint of the key's JWK.
/// @param now_unix_s  A grant that has expired by then is not signed.
/// @throws Error CKR_ARGUMENTS_BAD for claims that can't be, CKR_KEY_TYPE_INCONSISTENT for a key
///         that can't sign grants, CKR_DEVICE_ERROR for a signature that is none; what
///         Signer::sign() throws.
[[nodiscard]] std::string issue(const Grant& grant, const std::string& key_id, Signer& signer,
                                std::uint64_t now_unix_s);

}  // namespace mayfly::grant
