// What ties evidence, credentials and records to one task and one key of it.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/public_key.h"

namespace mayfly {

/// The task and the key that a binding names.
struct TaskBinding {
  std::string task_id;                ///< 1 to 255 bytes
  std::string serial;                 ///< the token's, 16 lower-case hexadecimal digits
  std::uint64_t deadline_unix_s = 0;  ///< seconds since 1970, UTC, rounded up
  Bytes policy_digest;   ///< 32 bytes: what the device itself enforces; all zero for nothing
  Bytes key_thumbprint;  ///< 32 bytes: thumbprint() of the key
};

/// Bytes of TaskBinding::policy_digest and TaskBinding::key_thumbprint.
inline constexpr std::size_t kBindingDigestSize = 32;

/// SHA-256 of the DER of the key's SubjectPublicKeyInfo:
/// `openssl pkey -pubin -in key.pem -outform DER | sha256sum`.
[[nodiscard]] Bytes thumbprint(const PublicKey& key);

/// SHA-256 over, one after the other: the 14 bytes "mayfly-task-v1"; the length of the task ID in
/// bytes, two bytes big-endian; the task ID; the 16 digits of the serial; the deadline, eight bytes
/// big-endian; the policy digest; the key's thumbprint. Every part has a fixed length or says its
/// own, so that no two bindings hash the same bytes.
/// @throws Error CKR_ARGUMENTS_BAD when a part has not its length.
[[nodiscard]] Bytes binding_digest(const TaskBinding& binding);

/// What a device signs over a binding and a verifier's nonce: SHA-256 over the 16 bytes
/// "mayfly-attest-v1", the binding_digest(), and the nonce.
[[nodiscard]] Bytes attestation_challenge(const TaskBinding& binding, ByteView nonce);

}  // namespace mayfly
