// Making key pairs on the device.
#pragma once

#include "base/public_key.h"
#include "device/pkcs11/mechanism_map.h"
#include "device/pkcs11/stored_key_name.h"

namespace mayfly::pkcs11 {

/// The two objects of a key pair.
struct KeyPairHandles {
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
};

/// What the templates of a key pair say beside its kind.
struct KeyTemplates {
  const StoredKeyName* name = nullptr;  ///< what to call token objects; null for session objects
  bool other_usages_off = true;         ///< whether usages beyond signing are switched off by name
};

/// Asks the device's own generator for a key pair: private, sensitive, not extractable, for signing
/// and, unless the templates leave that to the device, nothing else.
/// @return what the device answered.
[[nodiscard]] CK_RV generate_key_pair(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session,
                                      const KeySpec& spec, const KeyTemplates& templates,
                                      KeyPairHandles& made);

/// Checks with the device that the private key is what was asked for, and reads the public key.
/// @param stored  Whether they are to be token objects.
/// @throws Error CKR_DEVICE_ERROR when the device says otherwise, or what it says makes no sense;
///         whatever it answered when it can't be asked. The key must then be destroyed.
[[nodiscard]] PublicKey inspect_key_pair(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session,
                                         const KeySpec& spec, bool stored,
                                         const KeyPairHandles& pair);

}  // namespace mayfly::pkcs11
