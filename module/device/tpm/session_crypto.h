// What sessions of a TPM compute: keys, proofs, and the encryption of parameters (TPM 2.0 Part 1).
#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string_view>
#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"
#include "base/secret.h"

namespace mayfly::tpm {

/// SHA-256, which all sessions of mayfly use.
inline constexpr std::size_t kSessionDigest = 32;
using SessionDigest = std::array<std::uint8_t, kSessionDigest>;

/// Bytes that are wiped when they go: for secrets that live as long as a command.
template <std::size_t Size>
class Wiped {
 public:
  Wiped() noexcept = default;
  ~Wiped() { zeroise(bytes_); }
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;

  [[nodiscard]] ByteView view() const noexcept { return bytes_; }
  [[nodiscard]] ByteSpan span() noexcept { return bytes_; }

 private:
  std::array<std::uint8_t, Size> bytes_{};
};

/// HMAC-SHA-256 of all parts.
[[nodiscard]] SessionDigest session_hmac(ByteView key, std::initializer_list<ByteView> parts);

/// KDFa (11.4.10.2) for 256 bits, which are one block.
void kdfa(ByteSpan out, ByteView key, std::string_view label, ByteView party_u, ByteView party_v);

/// AES-128-CFB with a key and an initial vector, 16 bytes each, one behind the other.
[[nodiscard]] Bytes encrypt_cfb(ByteView key_and_vector, ByteView plain);

/// A secret that one TPM can open.
struct SealedSalt {
  SecretBuffer salt;
  TPM2B_ENCRYPTED_SECRET sealed{};
};

/// Makes one for a key on P-256 that decrypts and nothing else (C.6.3).
/// @throws Error CKR_FUNCTION_FAILED for a key of another kind.
[[nodiscard]] SealedSalt seal_salt(const TPMT_PUBLIC& key);

}  // namespace mayfly::tpm
