// Using keys on a token that somebody else made.
#pragma once

#include "base/public_key.h"
#include "device/pkcs11/vendor_module.h"
#include "tools/token_session.h"

namespace mayfly::tools {

/// One attribute of an object, of 4096 bytes at most; empty if the object has none.
/// @throws Error what the token answered else.
[[nodiscard]] Bytes read_attribute(const pkcs11::VendorModule& module, const TokenSession& session,
                                   CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);

/// A signature by a private key.
/// @param spec     The key's kind.
/// @param message  Hashed here or there, as the token wants it.
/// @return r‖s for ECDSA.
/// @throws Error what the token answered; CKR_MECHANISM_INVALID if it can't sign so.
[[nodiscard]] Bytes sign_on_token(const pkcs11::VendorModule& module, CK_SLOT_ID slot,
                                  const TokenSession& session, CK_OBJECT_HANDLE key,
                                  const KeySpec& spec, const SignatureScheme& scheme,
                                  ByteView message);

}  // namespace mayfly::tools
