// An approver's private key in a PEM file.
#pragma once

#include <memory>

#include "grant/issue.h"

namespace mayfly::grant {

/// The first private key of a PEM text: PKCS#8, or the older forms of EC and RSA keys.
/// @param pem  The caller wipes it.
/// @throws Error CKR_ARGUMENTS_BAD when there is none, or it is encrypted;
/// CKR_KEY_TYPE_INCONSISTENT
///         for a key that can't sign grants.
[[nodiscard]] std::unique_ptr<Signer> signer_of_pem(ByteView pem);

}  // namespace mayfly::grant
