// Private keys in PEM files.
#pragma once

#include <memory>

#include "base/signer.h"

namespace mayfly {

/// The first private key of a PEM text: PKCS#8, or the older forms of EC and RSA keys.
/// @param pem  The caller wipes it.
/// @throws Error CKR_ARGUMENTS_BAD when there is none, or it is encrypted;
///         CKR_ATTRIBUTE_VALUE_INVALID for a key of a kind that is not known here.
[[nodiscard]] std::unique_ptr<Signer> signer_of_pem(ByteView pem);

}  // namespace mayfly
