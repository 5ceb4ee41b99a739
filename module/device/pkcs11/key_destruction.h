// Destroying key pairs on the device.
#pragma once

#include "base/pkcs11.h"
#include "device/pkcs11/key_record.h"

namespace mayfly::pkcs11 {

/// Whether to wait for a session that somebody uses.
enum class Patience { wait, try_only };

/// Destroys a key pair: by C_DestroyObject, and if it is the last of its session, also by closing
/// the session.
/// @return whether the private key is certain to be gone, which the record then says too.
bool destroy_key_pair(CK_FUNCTION_LIST_PTR functions, SessionPool& sessions, KeyRecord& record,
                      Patience patience) noexcept;

/// The same when the caller has locked the session's mutex.
bool destroy_key_pair_locked(CK_FUNCTION_LIST_PTR functions, SessionPool& sessions,
                             KeyRecord& record) noexcept;

}  // namespace mayfly::pkcs11
