// libcrypto, kept apart from the host's.
#pragma once

#include <openssl/ec.h>
#include <openssl/types.h>

#include "base/error.h"

namespace mayfly {
enum class Hash;
}

namespace mayfly::crypto {

/// This module's own library context, made at its first use, with the default provider only.
///
/// The host's context is not used on purpose: its configuration may route every digest to an engine
/// or a provider that calls this very module.
/// @throws Error CKR_HOST_MEMORY when libcrypto can't make one.
[[nodiscard]] OSSL_LIB_CTX* context();

/// The group of a named curve ("P-256"), made once for the context.
/// @throws Error CKR_FUNCTION_FAILED when libcrypto does not know the curve.
[[nodiscard]] const EC_GROUP* group(const char* name);

/// A hash function of the context, which looked it up when it was made: a lookup costs more than
/// hashing a short text.
/// @throws Error CKR_FUNCTION_FAILED when libcrypto does not know the hash; it must not be none.
[[nodiscard]] EVP_MD* hash_algorithm(Hash hash);

/// Frees the context. Nothing made in it may live any more; the next use makes a new one.
void release() noexcept;

/// Forgets the context without freeing it: for a forked child, where another thread of the parent
/// may have held its locks.
void abandon() noexcept;

/// An Error that holds libcrypto's own reason for the failure of `what`.
[[nodiscard]] Error failure(CK_RV rv, const char* what);

}  // namespace mayfly::crypto
