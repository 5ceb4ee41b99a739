// Making key pairs on the device.
#pragma once

#include "base/public_key.h"
#include "device/pkcs11/key_pair_answers.h"
#include "device/pkcs11/mechanism_map.h"
#include "device/pkcs11/stored_key_name.h"

namespace mayfly::pkcs11 {

/// The exponent of all RSA keys: 65537.
inline constexpr std::uint8_t kPublicExponent[] = {0x01, 0x00, 0x01};

/// A key pair that the device made.
struct NewKeyPair {
  KeyPairHandles handles;
  KeyPairAnswers answers;  ///< of session objects: what the device says of them
};

/// What the templates of a key pair say beside its kind.
struct KeyTemplates {
  const StoredKeyName* name = nullptr;  ///< what to call token objects; null for session objects
  bool other_usages_off = true;         ///< whether usages beyond signing are switched off by name
};

/// Asks the device's own generator for a key pair: private, sensitive, not extractable, for signing
/// and, unless the templates leave that to the device, nothing else.
///
/// Of session objects, the handles are proven to be those of this very pair when it returns CKR_OK;
/// what the device made else is destroyed. Token objects are found, and proven, by their name.
/// @return what the device answered; CKR_DEVICE_ERROR for handles of other objects.
[[nodiscard]] CK_RV generate_key_pair(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session,
                                      const KeySpec& spec, const KeyTemplates& templates,
                                      NewKeyPair& made);

}  // namespace mayfly::pkcs11
